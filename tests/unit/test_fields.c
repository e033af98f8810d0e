#include "tests/unit/check.h"

#include <string.h>

#include "common/fields.h"

enum colour { RED, GREEN, BLUE };
static const char *const colours[] = {"red", "green", "blue", NULL};
enum light { LIGHT_DEFAULT, LIGHT_ON, LIGHT_OFF };
static const char *const lights[] = {"default", "on", "off", NULL};
enum door { DOOR_SHUT, DOOR_OPEN, DOOR_AJAR };
static const char *const doors[] = {"false", "true", "ajar", NULL};

struct part {
    int64_t size;
};

struct thing {
    const char *name, *note;
    bool gated;
    int64_t layers, limit;
    bool limit_present;
    double memory_bytes, price_per_second, share, latency_seconds;
    int colour, light, door;
    struct part part;
};

static const struct field part_fields[] = {
    {.key = "size", .type = FIELD_INTEGER, .offset = offsetof(struct part, size), .required = true},
    {.key = NULL},
};

static bool read_part(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    return fields_read(reader, node, part_fields, "thing.part", target);
}

static const struct field thing_fields[] = {
    {.key = "name", .type = FIELD_TEXT, .offset = offsetof(struct thing, name), .required = true},
    {.key = "note", .type = FIELD_TEXT, .offset = offsetof(struct thing, note), .none_allowed = true},
    {.key = "gated", .type = FIELD_BOOL, .offset = offsetof(struct thing, gated)},
    {.key = "layers",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct thing, layers),
     .minimum = 1,
     .maximum = 1e6},
    {.key = "limit",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct thing, limit),
     .none_allowed = true,
     .present_offset = offsetof(struct thing, limit_present)},
    {.key = "memory",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct thing, memory_bytes),
     .unit = UNIT_BYTES,
     .positive = true},
    {.key = "price",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct thing, price_per_second),
     .unit = UNIT_MONEY_PER_SECOND,
     .none_allowed = true},
    {.key = "share",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct thing, share),
     .minimum = -1,
     .maximum = 1},
    {.key = "latency",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct thing, latency_seconds),
     .unit = UNIT_SECONDS},
    {.key = "colour", .type = FIELD_CHOICE, .offset = offsetof(struct thing, colour), .choices = colours},
    {.key = "light", .type = FIELD_CHOICE, .offset = offsetof(struct thing, light), .choices = lights},
    {.key = "door", .type = FIELD_CHOICE, .offset = offsetof(struct thing, door), .choices = doors},
    {.key = "part", .type = FIELD_CUSTOM, .offset = offsetof(struct thing, part), .read = read_part},
    {.key = NULL},
};

static struct arena *arena;
static struct thing thing;
static struct error error;

static int setup(void **state) {
    (void)state;
    arena = arena_create();
    thing = (struct thing){.layers = 7, .price_per_second = 5, .colour = BLUE, .note = "kept"};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arena_destroy(arena);
    return 0;
}

static bool read_thing(const char *text) {
    struct yaml_document document;
    const struct fields_reader reader = {&document, arena, &error};

    if (!yaml_read_text("t.yaml", text, arena, &document, &error))
        fail_msg("not YAML: %s", error.what);
    return fields_read(&reader, document.root, thing_fields, "thing", &thing);
}

static void reads_every_type(void **state) {
    (void)state;
    assert_true(read_thing("{name: x, gated: yes, layers: 1e3, limit: 13T, memory: 80 GiB, price: 1.00 $/h,\n"
                           " share: -0.5, latency: 2 us, colour: green, part: {size: 32k}}"));
    assert_string_equal(thing.name, "x");
    assert_true(thing.gated);
    assert_int_equal(thing.layers, 1000);
    assert_int_equal(thing.limit, 13000000000000);
    assert_true(thing.limit_present);
    assert_same_double(thing.memory_bytes, 80 * 0x1p30);
    assert_same_double(thing.price_per_second, 1.0 / 3600);
    assert_same_double(thing.share, -0.5);
    assert_same_double(thing.latency_seconds, 2e-6);
    assert_int_equal(thing.colour, GREEN);
    assert_int_equal(thing.part.size, 32000);
}

/* Where a choice has one, whichever way it is spelt. */
static void yes_and_no_are_taken_in_all_words(void **state) {
    (void)state;
    assert_true(read_thing("{name: x, light: true, door: yes}"));
    assert_int_equal(thing.light, LIGHT_ON);
    assert_int_equal(thing.door, DOOR_OPEN);
    assert_true(read_thing("{name: x, light: No, door: Off}"));
    assert_int_equal(thing.light, LIGHT_OFF);
    assert_int_equal(thing.door, DOOR_SHUT);
    assert_true(read_thing("{name: x, light: default, door: ajar}"));
    assert_int_equal(thing.light, LIGHT_DEFAULT);
    assert_int_equal(thing.door, DOOR_AJAR);
    assert_false(read_thing("{name: x, door: \"yes\"}"));
    assert_false(read_thing("{name: x, colour: yes}"));
}

static void absent_keys_leave_the_struct(void **state) {
    (void)state;
    assert_true(read_thing("name: 5\n"));
    assert_string_equal(thing.name, "5");
    assert_string_equal(thing.note, "kept");
    assert_int_equal(thing.layers, 7);
    assert_int_equal(thing.colour, BLUE);
    assert_false(thing.limit_present);
}

static void none_and_null_are_zero_where_allowed(void **state) {
    (void)state;
    assert_true(read_thing("{name: x, price: none, limit: null, note: ~}"));
    assert_same_double(thing.price_per_second, 0);
    assert_int_equal(thing.limit, 0);
    assert_true(thing.limit_present);
    assert_string_equal(thing.note, "kept");
}

static void a_quantity_may_stand_in_quotes_with_its_unit(void **state) {
    (void)state;
    assert_true(read_thing("{\"name\": \"x\", \"memory\": \"80 GB\", \"limit\": \"200B\"}"));
    assert_same_double(thing.memory_bytes, 80e9);
    assert_int_equal(thing.limit, 200000000000);
}

static void refuses_wrong_values(void **state) {
    static const struct {
        const char *text;
        unsigned column;
        const char *what, *hint;
    } cases[] = {
        {"5", 1, "thing must be a mapping of keys to values", ""},
        {"[a]", 1, "thing must be a mapping of keys to values", ""},
        {"{gated: true}", 1, "thing lacks the key \"name\"", ""},
        {"{name: x, layrs: 1}", 11, "unknown key \"layrs\" in thing", "did you mean \"layers\"?"},
        {"{name: x, Layers: 1}", 11, "unknown key \"Layers\" in thing", "did you mean \"layers\"?"},
        {"{name: x, zzzzzz: 1}", 11, "unknown key \"zzzzzz\" in thing",
         "known keys: name, note, gated, layers, limit, memory, price, share, latency, colour, light, door, "
         "part"},
        {"{name: [x]}", 8, "name: a single value was expected, not a list", ""},
        {"{name: {x: 1}}", 8, "name: a single value was expected, not a mapping", ""},
        {"{name: }", 8, "name: a text was expected, and nothing is given", ""},
        {"{name: ~}", 8, "name: a text was expected, and nothing is given", ""},
        {"{name: x, gated: 1}", 18, "gated: true or false was expected", ""},
        {"{name: x, gated: 'true'}", 18, "gated: true or false was expected", ""},
        {"{name: x, gated: }", 18, "gated: true or false was expected", ""},
        {"{name: x, layers: 0}", 19, "layers: 0 is not between 1 and 1M", ""},
        {"{name: x, layers: -3}", 19, "layers: -3 is not between 1 and 1M", ""},
        {"{name: x, layers: 2M}", 19, "layers: 2M is not between 1 and 1M", ""},
        {"{name: x, layers: 1.5}", 19, "layers: a whole number was expected", ""},
        {"{name: x, layers: '12'}", 19, "layers: a number was expected, not a text in quotes", ""},
        {"{name: x, layers: many}", 19,
         "layers: \"many\" isn't a number; it takes a count such as 32768, 60M, 200B (billion) or 13T", ""},
        {"{name: x, layers: }", 19, "layers: a number was expected, and nothing is given", ""},
        {"{name: x, layers: none}", 19,
         "layers: \"none\" isn't a number; it takes a count such as 32768, 60M, 200B (billion) or 13T", ""},
        {"{name: x, layers: .nan}", 19,
         "layers: \".nan\" isn't a number; it takes a count such as 32768, 60M, 200B (billion) or 13T", ""},
        {"{name: x, limit: -1}", 18, "limit: -1 is negative", ""},
        {"{name: x, limit: 1e30}", 18, "limit: 1e30 is too large", ""},
        {"{name: x, limit: 9007199254740994}", 18, "limit: 9007199254740994 is too large", ""},
        {"{name: x, memory: 0 GB}", 19, "memory: must be above zero", ""},
        {"{name: x, memory: -80 GB}", 19, "memory: -80 GB is negative", ""},
        {"{name: x, memory: 1e31}", 19, "memory: 1e31 is too large", ""},
        {"{name: x, memory: 1e999}", 19, "memory: \"1e999\" is too large", ""},
        {"{name: x, memory: .inf}", 19,
         "memory: \".inf\" isn't a number; it takes B, kB, MB, GB, TB, or KiB, MiB, GiB, TiB", ""},
        {"{name: x, memory: 80 GB/s}", 19,
         "memory: the unit \"GB/s\" doesn't fit; it takes B, kB, MB, GB, TB, or KiB, MiB, GiB, TiB", ""},
        {"{name: x, share: 1.01}", 18, "share: 1.01 is not between -1 and 1", ""},
        {"{name: x, share: '0.5'}", 18, "share: a number was expected, not a text in quotes", ""},
        {"{name: x, colour: gren}", 19, "colour: unknown value \"gren\"", "did you mean \"green\"?"},
        {"{name: x, colour: 7}", 19, "colour: unknown value \"7\"", "it takes: red, green, blue"},
        {"{name: x, colour: [red]}", 19, "colour: a single value was expected, not a list", ""},
        {"{name: x, part: 5}", 17, "thing.part must be a mapping of keys to values", ""},
        {"{name: x, part: {}}", 17, "thing.part lacks the key \"size\"", ""},
        {"{name: x, part: {size: 1, sice: 2}}", 27, "unknown key \"sice\" in thing.part",
         "did you mean \"size\"?"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (read_thing(cases[i].text))
            fail_msg("%s was read", cases[i].text);
        assert_string_equal(error.what, cases[i].what);
        assert_string_equal(error.hint, cases[i].hint);
        assert_int_equal(error.line, 1);
        assert_int_equal(error.column, cases[i].column);
        assert_string_equal(error.source_line, cases[i].text);
    }
}

static void one_value_is_read_by_the_same_rules(void **state) {
    const struct field field = {.key = "size", .type = FIELD_NUMBER, .unit = UNIT_BYTES};
    struct yaml_document document;
    const struct fields_reader reader = {&document, arena, &error};
    double value = 0;

    (void)state;
    assert_true(yaml_read_text("t.yaml", "[4 KiB, 4 K]", arena, &document, &error));
    assert_true(fields_read_value(&reader, document.root->children, &field, &value));
    assert_same_double(value, 4096);
    assert_false(fields_read_value(&reader, document.root->children->next, &field, &value));
    assert_same_double(value, 4096);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_every_type, setup, teardown),
        cmocka_unit_test_setup_teardown(yes_and_no_are_taken_in_all_words, setup, teardown),
        cmocka_unit_test_setup_teardown(absent_keys_leave_the_struct, setup, teardown),
        cmocka_unit_test_setup_teardown(none_and_null_are_zero_where_allowed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_quantity_may_stand_in_quotes_with_its_unit, setup, teardown),
        cmocka_unit_test_setup_teardown(refuses_wrong_values, setup, teardown),
        cmocka_unit_test_setup_teardown(one_value_is_read_by_the_same_rules, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
