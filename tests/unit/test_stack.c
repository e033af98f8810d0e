#include "check.h"

#include "planner/inputs/stack.h"

static void finds_by_name(void **state) {
    (void)state;
    assert_non_null(stack_find("megatron-2021"));
    assert_string_equal(stack_find("fsdp")->name, "fsdp");
    assert_null(stack_find("Megatron-Core"));
    assert_null(stack_find(""));
    assert_string_equal(stack_default()->name, "megatron-core");
}

/* What the names promise. */
static void differ_in_what_is_fused(void **state) {
    (void)state;
    assert_false(stack_find("megatron-2021")->fused_gradient_accumulation);
    assert_true(stack_find("megatron-2022")->fused_gradient_accumulation);
    assert_true(stack_find("megatron-core")->fused_attention);
    assert_true(stack_find("fsdp")->fully_sharded);
    assert_false(stack_find("internevo")->fully_sharded);
}

static void shares_are_shares(void **state) {
    (void)state;
    for (const struct stack *stack = stacks; stack->name != NULL; stack++) {
        assert_non_null(stack->what);
        assert_true(stack->attention_dropout > 0 && stack->attention_dropout <= 1);
        assert_true(stack->traffic_factor > 0);
        assert_true(stack->flash != FLASH_DEFAULT);
        assert_true(stack_gradient_bytes(stack, PRECISION_FP16) >= 2);
        assert_true(stack_gradient_bytes(stack, PRECISION_BF16) >= 2);
        assert_true(stack_gradient_bytes(stack, PRECISION_FP8) >= 2);
    }
}

/* Newer kernels are quicker, and older ones are the further behind the newer the device. */
static void flash_kernels_get_quicker(void **state) {
    (void)state;
    for (enum device_generation on = GENERATION_AMPERE; on <= GENERATION_BLACKWELL; on++) {
        assert_true(flash_kernel_rate(FLASH_1, on) < flash_kernel_rate(FLASH_2, on));
        assert_true(flash_kernel_rate(FLASH_2, on) <= flash_kernel_rate(FLASH_CUDNN, on));
        assert_true(flash_kernel_rate(FLASH_CUDNN, on) == 1);
    }
    assert_true(flash_kernel_rate(FLASH_2, GENERATION_HOPPER) <
                flash_kernel_rate(FLASH_2, GENERATION_AMPERE));
    assert_true(flash_kernel_rate(FLASH_2, GENERATION_BLACKWELL) <
                flash_kernel_rate(FLASH_2, GENERATION_HOPPER));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_name),
        cmocka_unit_test(differ_in_what_is_fused),
        cmocka_unit_test(shares_are_shares),
        cmocka_unit_test(flash_kernels_get_quicker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
