#include "planner/cost/orthogonalise.h"

#include "planner/cost/memory_parts.h"
#include "planner/kernels/matmul.h"

enum { STEPS = 5 };

static double product_seconds(const struct cluster_device *device, int64_t m, int64_t n, int64_t k) {
    const struct matmul matmul = {
        .m = m, .n = n, .k = k, .batch = 1, .precision = PRECISION_BF16, .pass = MATMUL_FORWARD};
    return matmul_seconds(device, &matmul);
}

/* Of a matrix X, the shorter side in front, a step is a X + (b A + c A^2) X with A = X X'. */
static double matrix_seconds(const struct cluster_device *device, int64_t rows, int64_t columns) {
    int64_t shorter = rows < columns ? rows : columns, longer = rows < columns ? columns : rows;
    return STEPS * (product_seconds(device, shorter, shorter, longer) +
                    product_seconds(device, shorter, shorter, shorter) +
                    product_seconds(device, shorter, longer, shorter));
}

static double mlp_seconds(const struct model *model, const struct cluster_device *device, int64_t ffn) {
    return matrix_seconds(device, model->gated ? 2 * ffn : ffn, model->hidden) +
           matrix_seconds(device, model->hidden, ffn);
}

static double attention_seconds(const struct model *model, const struct cluster_device *device) {
    const struct model_mla *mla = &model->mla;
    int64_t hidden = model->hidden;

    if (mla->kv_lora_rank == 0) {
        int64_t queries = model->heads * model->head_dim, keys = model->kv_heads * model->head_dim;
        return matrix_seconds(device, queries, hidden) + 2 * matrix_seconds(device, keys, hidden) +
               matrix_seconds(device, hidden, queries);
    }
    int64_t from = mla->q_lora_rank > 0 ? mla->q_lora_rank : hidden;
    return (mla->q_lora_rank > 0 ? matrix_seconds(device, mla->q_lora_rank, hidden) : 0) +
           matrix_seconds(device, model->heads * model_query_width(model), from) +
           matrix_seconds(device, mla->kv_lora_rank + mla->qk_rope_head_dim, hidden) +
           matrix_seconds(device, model->heads * (mla->qk_nope_head_dim + mla->v_head_dim),
                          mla->kv_lora_rank) +
           matrix_seconds(device, hidden, model->heads * mla->v_head_dim);
}

double orthogonalise_seconds(const struct model *model, const struct cluster_device *device,
                             const struct layout *layout, double dense_layers, double expert_layers) {
    const struct model_experts *experts = &model->experts;
    double shards = layout->zero >= 1 ? memory_shards(layout, false) : 1;
    double expert_shards = layout->zero >= 1 ? memory_shards(layout, true) : 1;
    double seconds = (dense_layers + expert_layers) * attention_seconds(model, device);

    if (dense_layers > 0)
        seconds += dense_layers * mlp_seconds(model, device, model->ffn_hidden);
    if (experts->shared > 0)
        seconds += expert_layers * mlp_seconds(model, device, experts->shared * experts->shared_ffn_hidden);
    seconds /= shards;
    if (expert_layers > 0)
        seconds += expert_layers * (double)experts->count / (double)(layout->ep * layout->etp) *
                   mlp_seconds(model, device, experts->ffn_hidden) / expert_shards;
    return seconds / (double)layout->pp;
}
