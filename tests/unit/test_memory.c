/* The memory model against what papers say, and against itself. Measured runs: test_memory_measured.c. */
#include "memory_question.h"
#include "shapes.h"

/* Activations of a layer of GPT-3, after arXiv 2205.05198 table 2. */
static void layer_of_gpt3(struct layout layout, double *kept, double *whole) {
    struct question question = {
        .stack = "megatron-2022",
        .model = {.layers = 96, .hidden = 12288, .heads = 96, .ffn_hidden = 49152, .vocab = 51200},
        .sequence = 2048,
        .global_batch = 64,
        .attention = ATTENTION_UNFUSED};
    struct training training = training_of(&question);
    struct memory_parts parts;
    complete(&question.model, &layout);
    memory_parts_init(&parts, &question.model, &training, &layout);
    *kept = parts.activations[LAYER_DENSE].kept;
    *whole = parts.activations[LAYER_DENSE].whole;
}

static void test_layer_of_paper(void **state) {
    const double sbh = 2048.0 * 12288, scores = 5 * 96.0 * 2048 / 12288, t = 8;
    double kept, whole;
    (void)state;
    layer_of_gpt3((struct layout){.tp = 1}, &kept, &whole);
    assert_near(kept, sbh * (34 + scores), 1e-12);
    layer_of_gpt3((struct layout){.tp = 8}, &kept, &whole);
    assert_near(kept, sbh * (10 + 24 / t + scores / t), 1e-12);
    layer_of_gpt3((struct layout){.tp = 8, .sequence_parallel = true}, &kept, &whole);
    assert_near(kept, sbh / t * (34 + scores), 1e-12);
    layer_of_gpt3((struct layout){.tp = 8, .recompute = RECOMPUTE_SELECTIVE}, &kept, &whole);
    assert_near(kept, sbh * (10 + 24 / t), 1e-12);
    layer_of_gpt3((struct layout){.tp = 8, .sequence_parallel = true, .recompute = RECOMPUTE_SELECTIVE},
                  &kept, &whole);
    assert_near(kept, sbh * 34 / t, 1e-12);
    layer_of_gpt3((struct layout){.tp = 8, .recompute = RECOMPUTE_FULL}, &kept, &whole);
    assert_near(kept, 2 * sbh, 1e-12);
    assert_near(whole, sbh * (10 + 24 / t + scores / t), 1e-12);
    layer_of_gpt3((struct layout){.tp = 8, .micro_batch = 3, .sequence_parallel = true}, &kept, &whole);
    assert_near(kept, 3 * sbh / t * (34 + scores), 1e-12);
}

static void test_in_flight(void **state) {
    struct layout layout = {.pp = 4, .vpp = 1};
    (void)state;
    assert_int_equal(memory_in_flight(&layout, 8, 0), 4);
    assert_int_equal(memory_in_flight(&layout, 8, 3), 1);
    assert_int_equal(memory_in_flight(&layout, 2, 0), 2); /* no more than there are */
    layout.schedule = SCHEDULE_GPIPE;
    assert_int_equal(memory_in_flight(&layout, 8, 3), 8);
    layout.schedule = SCHEDULE_ZB_1P; /* arXiv 2401.10241: pp on every stage */
    assert_int_equal(memory_in_flight(&layout, 8, 3), 4);
    layout.schedule = SCHEDULE_ZB_2P;
    assert_int_equal(memory_in_flight(&layout, 20, 1), 8);
    layout.schedule = SCHEDULE_DUALPIPE; /* arXiv 2412.19437 table 2: pp + 1 */
    for (int64_t stage = 0; stage < 4; stage++)
        assert_int_equal(memory_in_flight(&layout, 20, stage), 5);
    layout.schedule = SCHEDULE_INTERLEAVED;
    layout.vpp = 2; /* Megatron-LM: 2 (pp - stage - 1) + (vpp - 1) pp warm-up passes, and one */
    assert_int_equal(memory_in_flight(&layout, 8, 0), 11);
    assert_int_equal(memory_in_flight(&layout, 8, 3), 5);
    assert_int_equal(memory_in_flight(&layout, 4, 0), 8);
    assert_int_equal(memory_chunk_in_flight(&layout, 8, 4, 0, 0), 7);
    assert_int_equal(memory_chunk_in_flight(&layout, 8, 4, 0, 1), 4);
    layout.pp = layout.vpp = 1;
    assert_int_equal(memory_in_flight(&layout, 8, 0), 1);
}

static void test_terms_add_up(void **state) {
    (void)state;
    for (int64_t pp = 1; pp <= 4; pp++) {
        struct memory_use use = estimate((struct question){.stack = "megatron-core",
                                                           .model = DEEPSEEK_V3_4,
                                                           .layout = {.ep = 8, .dp = 8, .pp = pp, .zero = 1},
                                                           .sequence = 4096,
                                                           .global_batch = 64,
                                                           .recent_device = true});
        double sum = use.weights_bytes + use.gradients_bytes + use.optimizer_bytes + use.activations_bytes +
                     use.buffers_bytes + use.reserved_bytes;
        assert_near(sum, use.per_device_bytes, 1e-12);
        assert_true(use.allocated_bytes <= use.allocator_bytes && use.allocator_bytes <= use.device_bytes);
        assert_true(use.device_bytes <= use.per_device_bytes);
    }
}

/* Llama 3 8B: 18 bytes a parameter under ZeRO-0, 6 + 12/dp under ZeRO-1, 18/dp under ZeRO-3 (Megatron-LM,
 * dist_optimizer.md). */
static void test_bytes_per_parameter(void **state) {
    struct question question = {.stack = "megatron-core",
                                .model = LLAMA_8B,
                                .layout = {.dp = 8, .micro_batch = 1},
                                .sequence = 4096,
                                .global_batch = 64};
    const double parameters = 8030261248.0; /* as published; 128256 rows need no padding */
    (void)state;
    for (int64_t zero = 0; zero <= 3; zero++) {
        double weights = zero >= 3 ? 2.0 / 8 : 2, gradients = zero >= 2 ? 4.0 / 8 : 4;
        double optimizer = zero >= 1 ? 12.0 / 8 : 12;
        struct memory_use use;
        question.layout.zero = zero;
        use = estimate(question);
        assert_near(use.weights_bytes, weights * parameters, 1e-9);
        assert_near(use.gradients_bytes, gradients * parameters, 1e-9);
        assert_near(use.optimizer_bytes, optimizer * parameters, 1e-9);
    }
    question.layout.zero_group = 4;
    assert_near(estimate(question).optimizer_bytes, 12.0 / 4 * parameters, 1e-9);
    question.layout.offload = OFFLOAD_OPTIMIZER;
    assert_near(estimate(question).optimizer_bytes, 0, 1e-9);
    assert_near(estimate(question).host_bytes_per_device, 12.0 / 4 * parameters, 1e-9);
}

/* Gradients that are said to be in 16 bits take half, and the optimizer's update an fp32 copy of its own. */
static void test_gradients_in_half_precision(void **state) {
    struct model model = LLAMA_8B;
    struct training training = {.stack = stack_find("megatron-core"),
                                .sequence = 4096,
                                .global_batch = 64,
                                .gradients = GRADIENTS_HALF};
    struct layout layout = {.dp = 8, .micro_batch = 1, .zero = 1};
    struct memory_parts parts;
    (void)state;
    complete(&model, &layout);
    memory_parts_init(&parts, &model, &training, &layout);
    assert_near(parts.dense_bytes.gradients, 2, 1e-12);
    assert_near(parts.dense_bytes.optimizer, 12.0 / 8, 1e-12);
    assert_near(parts.dense_bytes.update, 4.0 / 8, 1e-12);
    training.gradients = GRADIENTS_SINGLE; /* even where memory is counted as thriftily as can be */
    training.thrifty = true;
    memory_parts_init(&parts, &model, &training, &layout);
    assert_near(parts.dense_bytes.gradients, 4, 1e-12);
}

static double static_bytes(const struct memory_use *use) {
    return use->weights_bytes + use->gradients_bytes + use->optimizer_bytes;
}

/* A larger tp, pp or ZeRO stage never needs more static memory on the fullest stage. */
static void test_monotone(void **state) {
    const char *names[] = {"megatron-core", "megatron-2022", "megatron-deepspeed", "fsdp", "internevo"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct question question = {
            .stack = names[i], .model = LLAMA_70B, .sequence = 4096, .global_batch = 1024};
        double before = HUGE_VAL;
        question.layout = (struct layout){.pp = 4, .dp = 4};
        for (int64_t tp = 1; tp <= 64; tp *= 2) {
            struct memory_use use;
            question.layout.tp = tp;
            use = estimate(question);
            assert_true(static_bytes(&use) <= before);
            before = static_bytes(&use);
        }
        before = HUGE_VAL;
        question.layout = (struct layout){.tp = 8, .pp = 2, .dp = 4};
        for (int64_t zero = 0; zero <= 3; zero++) {
            struct memory_use use;
            question.layout.zero = zero;
            use = estimate(question);
            assert_true(static_bytes(&use) <= before);
            before = static_bytes(&use);
        }
        before = HUGE_VAL;
        question.layout = (struct layout){.tp = 2, .dp = 4, .zero = 1};
        for (int64_t pp = 2; pp <= 80; pp *= 2) {
            struct memory_use use;
            question.layout.pp = pp;
            use = estimate(question);
            assert_true(static_bytes(&use) <= before);
            before = static_bytes(&use);
        }
    }
}

/* The few stages that are looked at hold the fullest of all. */
static void test_fullest_of_all_stages(void **state) {
    static const struct {
        enum schedule schedule;
        int64_t pp, vpp;
    } pipelines[] = {{SCHEDULE_1F1B, 8, 1},  {SCHEDULE_1F1B, 16, 1},       {SCHEDULE_INTERLEAVED, 4, 4},
                     {SCHEDULE_GPIPE, 8, 1}, {SCHEDULE_INTERLEAVED, 8, 3}, {SCHEDULE_ZB_1P, 16, 1},
                     {SCHEDULE_ZB_2P, 4, 1}, {SCHEDULE_DUALPIPE, 8, 1},    {SCHEDULE_DUALPIPE, 4, 1}};
    struct model model = DEEPSEEK_V3_4;
    struct cluster cluster = cluster_of(true);
    struct training training = {.sequence = 4096, .global_batch = 512, .stack = stack_find("megatron-core")};
    (void)state;
    for (size_t i = 0; i < sizeof pipelines / sizeof pipelines[0] * 6; i++) {
        struct layout layout = {.tp = 1, .dp = 8, .ep = 8, .zero = 1};
        struct memory_use fullest;
        double largest = 0;
        model.layers = (const int64_t[]){61, 48, 62, 94, 46, 30}[i % 6];
        model.experts.first_dense_layers = (const int64_t[]){3, 0, 9}[i % 3];
        model.experts.every = i % 5 == 4 ? 2 : 1;
        layout.schedule = pipelines[i / 6].schedule;
        layout.pp = pipelines[i / 6].pp;
        layout.vpp = pipelines[i / 6].vpp;
        layout.recompute = (enum recompute)(i % 3);
        complete(&model, &layout);
        memory_estimate(&model, &cluster, &training, &layout, &fullest, NULL);
        for (int64_t stage = 0; stage < layout.pp; stage++) {
            struct memory_use use;
            memory_estimate_stage(&model, &cluster, &training, &layout, stage, &use);
            largest = fmax(largest, use.per_device_bytes);
        }
        assert_near(fullest.per_device_bytes, largest, 1e-12);
    }
}

/* The stages of a pipeline hold the whole model together, embedding and head once each. */
static void test_parameters_of_stages(void **state) {
    struct model model = DEEPSEEK_V3_4;
    struct layout layout = {.pp = 8};
    struct layer_parameters dense, expert;
    double sum = 0, expected;
    (void)state;
    model.layers = 61;
    complete(&model, &layout);
    for (int64_t stage = 0; stage < layout.pp; stage++) {
        struct stage_parameters parameters;
        memory_stage_parameters(&model, &layout, stage, &parameters);
        sum += parameters.dense + parameters.expert;
    }
    model_layer_parameters(&model, false, &dense);
    model_layer_parameters(&model, true, &expert);
    expected = dense.attention_split + dense.attention_replicated + dense.norms + dense.mlp_split;
    expected += 60 * (expert.attention_split + expert.attention_replicated + expert.norms + expert.mlp_split +
                      expert.router + expert.experts * expert.expert);
    expected += 2.0 * 129280 * 7168 + 7168;
    assert_near(sum, expected, 1e-12);
}

/* Chunks count their MoE layers as the model does, one by one. */
static void test_expert_layers(void **state) {
    struct model model = DEEPSEEK_V3_4;
    struct training training = {.stack = stack_find("megatron-core"), .sequence = 4096, .global_batch = 8};
    (void)state;
    model.layers = 61;
    model.experts.first_dense_layers = 2;
    for (int64_t every = 1; every <= 4; every++) {
        struct layout layout = {.pp = 7};
        struct memory_parts parts;
        int64_t layer = 0;
        model.experts.every = every;
        complete(&model, &layout);
        memory_parts_init(&parts, &model, &training, &layout);
        for (int64_t chunk = 0; chunk < layout.pp; chunk++) {
            int64_t end = layer + layout_chunk_layers(&layout, &model, chunk), experts = 0;
            struct chunk_layers layers;
            for (; layer < end; layer++)
                experts += model_layer_has_experts(&model, layer);
            memory_chunk_layers(&parts, chunk, &layers);
            assert_int_equal(layers.count[LAYER_EXPERTS], experts);
        }
        assert_int_equal(layer, model.layers);
    }
}

/* Transformer Engine's fp8: a weight and its transpose, beside the one in 16 bits or, as parameters are
 * gathered in fp8, instead of it; a byte less for each product's kept input. */
static void test_fp8(void **state) {
    struct question question = {.stack = "megatron-core",
                                .model = LLAMA_8B,
                                .layout = {.dp = 8, .zero = 1},
                                .sequence = 4096,
                                .global_batch = 64,
                                .recent_device = true};
    struct memory_use half = estimate(question), fp8;
    const double tokens = 4096, layers = 32, h = 4096, f = 14336;
    (void)state;
    question.precision = PRECISION_FP8;
    assert_near(estimate(question).weights_bytes, half.weights_bytes, 1e-9);
    question.parameters = PARAMETERS_HALF;
    fp8 = estimate(question);
    assert_near(fp8.weights_bytes - half.weights_bytes, 2 * (8030261248.0 - 2.0 * 128256 * h - h), 1e-9);
    /* Inputs of the qkv and first MLP product and of the second lose a byte; the output product's is a copy.
     */
    assert_near(half.activations_bytes - fp8.activations_bytes, tokens * layers * (2 * h + f - h), 1e-9);
}

/* Qwen3 30B: what selective recompute drops of a layer, and what an exchange behind another micro-batch
 * takes. */
static void test_selective(void **state) {
    struct model model = qwen3_30b;
    struct training training = {.stack = stack_find("megatron-core"),
                                .sequence = 4096,
                                .global_batch = 64,
                                .routing = {.imbalance = 1}};
    struct layout layout = {.ep = 8, .dp = 8, .zero = 1};
    struct memory_parts parts;
    double whole, tokens = 4096, h = 2048, f = 768;
    (void)state;
    complete(&model, &layout);
    memory_parts_init(&parts, &model, &training, &layout);
    whole = parts.activations[LAYER_EXPERTS].kept;
    layout.recompute = RECOMPUTE_SELECTIVE;
    memory_parts_init(&parts, &model, &training, &layout); /* with experts: their norm and activations */
    assert_near(whole - parts.activations[LAYER_EXPERTS].kept, tokens * (2 * h + 8 * 2 * f), 1e-9);
    /* One norm's output, the router, and what the experts take in. */
    layout.recompute_modules = RECOMPUTE_BIT(LAYERNORM) | RECOMPUTE_BIT(MOE);
    memory_parts_init(&parts, &model, &training, &layout);
    assert_near(whole - parts.activations[LAYER_EXPERTS].kept,
                tokens * (2 * h + 21 * 128 + 8 * (2 * h + 6 * f + 8)), 1e-9);
    layout.recompute_modules = RECOMPUTE_BIT(CORE_ATTENTION); /* the logarithms of flash attention */
    memory_parts_init(&parts, &model, &training, &layout);
    assert_near(whole - parts.activations[LAYER_EXPERTS].kept, tokens * 4 * 32, 1e-9);
    layout.recompute = RECOMPUTE_NONE;
    training.routing.imbalance = 1.5; /* the fullest device keeps half as many rows again */
    memory_parts_init(&parts, &model, &training, &layout);
    assert_near(parts.activations[LAYER_EXPERTS].kept - whole, tokens * 0.5 * 8 * (2 * h + 6 * f + 8), 1e-9);
    model.experts.capacity_factor = 1; /* the rest is dropped */
    memory_parts_init(&parts, &model, &training, &layout);
    assert_near(parts.activations[LAYER_EXPERTS].kept, whole, 1e-9);
}

/* DeepSeek-V3: what each module drops of a token, in both kinds of layers. */
static void test_recompute_modules(void **state) {
    static const struct {
        int64_t modules;
        double dense, experts; /* bytes */
    } rows[] = {
        {RECOMPUTE_BIT(LAYERNORM), 2 * 7168, 2 * 2 * 7168},
        {RECOMPUTE_BIT(MLA_UP_PROJECTION), 2 * (128 * (2 * 192 + 128) + 1536 + 512),
         2 * (128 * (2 * 192 + 128) + 1536 + 512)},
        {RECOMPUTE_BIT(MLP), 6 * 18432 + 2 * 7168, 0},
        {RECOMPUTE_BIT(SHARED_EXPERTS), 0, 6 * 2048},
        {RECOMPUTE_BIT(MOE_ACTIVATION), 0, 8 * 2 * 2048},
        {RECOMPUTE_BIT(MOE_ACTIVATION) | RECOMPUTE_BIT(SHARED_EXPERTS), 0, 8 * 2 * 2048 + 6 * 2048},
        {RECOMPUTE_BIT(MOE), 0, 21 * 256 + 8 * (2 * 7168 + 6 * 2048 + 8) + 6 * 2048},
        {RECOMPUTE_BIT(MOE) | RECOMPUTE_BIT(MOE_ACTIVATION), 0,
         21 * 256 + 8 * (2 * 7168 + 6 * 2048 + 8) + 6 * 2048},
    };
    struct model model = DEEPSEEK_V3_4;
    struct training training = {.stack = stack_find("megatron-core"),
                                .sequence = 4096,
                                .global_batch = 64,
                                .routing = {.imbalance = 1}};
    struct layout layout = {.ep = 8, .dp = 8, .zero = 1};
    struct memory_parts whole, parts;
    (void)state;
    complete(&model, &layout);
    memory_parts_init(&whole, &model, &training, &layout);
    layout.recompute = RECOMPUTE_SELECTIVE;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        layout.recompute_modules = rows[i].modules;
        memory_parts_init(&parts, &model, &training, &layout);
        assert_near(whole.activations[LAYER_DENSE].kept - parts.activations[LAYER_DENSE].kept,
                    4096 * rows[i].dense, 1e-9);
        assert_near(whole.activations[LAYER_EXPERTS].kept - parts.activations[LAYER_EXPERTS].kept,
                    4096 * rows[i].experts, 1e-9);
    }
}

/* By operation FSDP keeps shared experts' first product, and none that is grouped. */
static void test_operations_of_experts(void **state) {
    struct model model = DEEPSEEK_V3_4, alone = DEEPSEEK_V3_4;
    struct training training = {.stack = stack_find("fsdp"), .sequence = 4096, .global_batch = 64};
    struct layout layout = {.ep = 8, .dp = 8, .zero = 3, .recompute = RECOMPUTE_SELECTIVE};
    struct memory_parts parts, without;
    (void)state;
    alone.experts.shared = 0;
    complete(&alone, &layout);
    complete(&model, &layout);
    layout.recompute_modules = RECOMPUTE_BIT(OPERATIONS);
    memory_parts_init(&parts, &model, &training, &layout);
    memory_parts_init(&without, &alone, &training, &layout);
    assert_near(parts.activations[LAYER_EXPERTS].kept - without.activations[LAYER_EXPERTS].kept,
                4096. * 2 * 2048, 1e-9);
    assert_near(parts.activations[LAYER_DENSE].kept - without.activations[LAYER_EXPERTS].kept,
                4096. * 2 * 18432, 1e-9);
}

/* PyTorch's operations one by one keep more of a layer than kernels of their own, and a loss over the logits
 * of all tp ranks as much as without tp. */
static void test_single_operations(void **state) {
    struct model model = LLAMA_8B;
    struct training training = {.stack = stack_find("megatron-2022"), .sequence = 4096, .global_batch = 64};
    struct layout layout = {.tp = 4, .dp = 8, .zero = 1};
    struct memory_parts parts;
    double eager, norms_fused, gathered, tokens = 4096, h = 4096, f = 14336, v = 128256;
    (void)state;
    complete(&model, &layout);
    training.recipe.norms = NORMS_EAGER;
    memory_parts_init(&parts, &model, &training, &layout);
    eager = parts.activations[LAYER_DENSE].kept;
    training.recipe.norms = NORMS_FUSED;
    memory_parts_init(&parts, &model, &training, &layout);
    norms_fused = parts.activations[LAYER_DENSE].kept;
    assert_near(eager - norms_fused, tokens * 2 * (4 + 2) * h, 1e-9);
    training.recipe.compiled = TOGGLE_ON;
    memory_parts_init(&parts, &model, &training, &layout);
    assert_near(norms_fused - parts.activations[LAYER_DENSE].kept, tokens * 2 * f / 4, 1e-9);
    training.recipe.loss = LOSS_GATHERED;
    gathered = memory_logits_bytes(&parts);
    assert_near(gathered, tokens * (18 * v + 8 * h), 1e-2); /* the vocabulary is padded */
    layout.tp = 2;
    memory_parts_init(&parts, &model, &training, &layout);
    assert_near(memory_logits_bytes(&parts), gathered, 1e-2);
}

/* A norm of queries and keys keeps its input and a figure a head, one behind attention or MLP its input; of
 * single operations each keeps more. */
static void test_further_norms(void **state) {
    struct model model = LLAMA_8B;
    struct training training = {.stack = stack_find("megatron-core"), .sequence = 4096, .global_batch = 64};
    struct layout layout = {.tp = 4, .dp = 8, .zero = 1, .sequence_parallel = true};
    struct memory_parts parts;
    double tokens = 4096, heads = (32 + 8) / 4.0, elements = heads * 128, hidden = 4096 / 4.0;
    (void)state;
    complete(&model, &layout);
    memory_parts_init(&parts, &model, &training, &layout);
    double plain = parts.activations[LAYER_DENSE].kept;
    model.qk_norm = true;
    memory_parts_init(&parts, &model, &training, &layout);
    assert_near(parts.activations[LAYER_DENSE].kept - plain, tokens * (2 * elements + 4 * heads), 1e-9);
    model.post_norms = true;
    model.qk_norm = false;
    memory_parts_init(&parts, &model, &training, &layout);
    assert_near(parts.activations[LAYER_DENSE].kept - plain, tokens * 2 * 2 * hidden, 1e-9);
    training.recipe.norms = NORMS_EAGER;
    memory_parts_init(&parts, &model, &training, &layout);
    plain = parts.activations[LAYER_DENSE].kept;
    model.qk_norm_wide = true;
    memory_parts_init(&parts, &model, &training, &layout);
    assert_near(parts.activations[LAYER_DENSE].kept - plain, tokens * (2 + 6) * elements, 1e-9);
}

/* Side by side, attention and MLP have one input, whose norms keep it once (GPT-NeoX). */
static void test_norms_of_one_input(void **state) {
    struct model model = LLAMA_8B;
    struct training training = {.stack = stack_find("megatron-core"), .sequence = 4096, .global_batch = 64};
    struct layout layout = {.tp = 4, .dp = 8, .zero = 1, .sequence_parallel = true};
    struct memory_parts behind, beside;
    (void)state;
    complete(&model, &layout);
    memory_parts_init(&behind, &model, &training, &layout);
    model.side_by_side = true;
    memory_parts_init(&beside, &model, &training, &layout);
    assert_near(behind.activations[LAYER_DENSE].kept - beside.activations[LAYER_DENSE].kept,
                2 * 4096 * 4096 / 4.0, 1e-9);
}

/* A norm that attention and MLP share has one input and one result; in fp8 each of the products keeps its own
 * copy of that. */
static void test_shared_norm(void **state) {
    struct model model = LLAMA_8B;
    struct training training = {.stack = stack_find("megatron-core"), .sequence = 4096, .global_batch = 64};
    struct layout layout = {.tp = 4, .dp = 8, .zero = 1, .sequence_parallel = true};
    struct memory_parts own, one;
    const double elements = 4096 * 4096 / 4.0;
    (void)state;
    complete(&model, &layout);
    for (int post = 0; post < 2; post++)
        for (int fp8 = 0; fp8 < 2; fp8++) {
            training.precision = fp8 ? PRECISION_FP8 : PRECISION_BF16;
            model.post_norms = post == 1;
            model.shared_norm = false;
            memory_parts_init(&own, &model, &training, &layout);
            model.shared_norm = true;
            memory_parts_init(&one, &model, &training, &layout);
            const struct layer_activations *layers = &own.activations[LAYER_DENSE];
            const struct layer_activations *shared = &one.activations[LAYER_DENSE];
            assert_near(layers->kept - shared->kept, (fp8 ? 2 : 4) * elements, 1e-9);
            /* What isn't kept can't be dropped. */
            assert_near(layers->dropped[RECOMPUTE_MLP] - shared->dropped[RECOMPUTE_MLP],
                        (fp8 ? 0 : 2) * elements, 1e-9);
        }
    training = (struct training){.stack = stack_find("fsdp"), .sequence = 4096, .global_batch = 64};
    memory_parts_init(&one, &model, &training, &layout);
    assert_near(one.activations[LAYER_DENSE].dropped[RECOMPUTE_LAYERNORM], 2 * elements, 1e-9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layer_of_paper),
        cmocka_unit_test(test_in_flight),
        cmocka_unit_test(test_terms_add_up),
        cmocka_unit_test(test_bytes_per_parameter),
        cmocka_unit_test(test_gradients_in_half_precision),
        cmocka_unit_test(test_monotone),
        cmocka_unit_test(test_fullest_of_all_stages),
        cmocka_unit_test(test_parameters_of_stages),
        cmocka_unit_test(test_expert_layers),
        cmocka_unit_test(test_fp8),
        cmocka_unit_test(test_selective),
        cmocka_unit_test(test_recompute_modules),
        cmocka_unit_test(test_operations_of_experts),
        cmocka_unit_test(test_single_operations),
        cmocka_unit_test(test_further_norms),
        cmocka_unit_test(test_norms_of_one_input),
        cmocka_unit_test(test_shared_norm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
