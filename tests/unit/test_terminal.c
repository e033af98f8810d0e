/* Columns of a terminal, and paragraphs that fit them. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "common/terminal.h"

static char text[2000];

static FILE *stream_of_text(void) {
    FILE *stream = fmemopen(text, sizeof text, "w");
    assert_non_null(stream);
    return stream;
}

static size_t columns_with(const char *variable) {
    FILE *stream = stream_of_text();
    if (variable != NULL)
        setenv("COLUMNS", variable, 1);
    size_t columns = terminal_columns(stream);
    unsetenv("COLUMNS");
    fclose(stream);
    return columns;
}

static void columns_are_those_of_the_environment(void **state) {
    (void)state;
    assert_int_equal(columns_with(NULL), 100); /* no terminal */
    assert_int_equal(columns_with("80"), 80);
    assert_int_equal(columns_with("40"), 40);
    assert_int_equal(columns_with("250"), 100);
    assert_int_equal(columns_with("7"), 40);
    static const char *const nonsense[] = {"", "0", "-80", "wide", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++)
        assert_int_equal(columns_with(nonsense[i]), 100);
}

static const char *wrapped(const char *words, size_t indent) {
    FILE *stream = stream_of_text();
    setenv("COLUMNS", "40", 1);
    terminal_print_wrapped(words, indent, stream);
    unsetenv("COLUMNS");
    fclose(stream);
    return text;
}

static void paragraphs_fit(void **state) {
    (void)state;
    assert_string_equal(wrapped("short", 0), "short\n");
    assert_string_equal(wrapped("", 0), "\n");
    assert_string_equal(wrapped("a paragraph that is longer than forty columns", 0),
                        "a paragraph that is longer than forty\ncolumns\n");
    assert_string_equal(wrapped("a paragraph that is longer than forty columns", 10),
                        "a paragraph that is longer\n          than forty columns\n");
    /* However deep, twenty columns are left; a number keeps its unit; a line end stays. */
    assert_string_equal(wrapped("twenty columns are left", 39),
                        "twenty columns are\n                                       left\n");
    assert_string_equal(wrapped("what takes more than it has, 12 GB", 7),
                        "what takes more than it has,\n       12 GB\n");
    assert_string_equal(
        wrapped("\u6a21\u578b\u6a21\u578b \u6a21\u578b\u6a21\u578b \u6a21\u578b", 20),
        "\u6a21\u578b\u6a21\u578b \u6a21\u578b\u6a21\u578b\n                    \u6a21\u578b\n");
    assert_string_equal(wrapped("one\ntwo", 2), "one\n  two\n");
    assert_string_equal(wrapped("0123456789012345678901234567890123456789012", 0),
                        "0123456789012345678901234567890123456789\n012\n");
}

static void a_status_stays_on_its_line(void **state) {
    (void)state;
    FILE *stream = stream_of_text();
    assert_false(terminal_takes_escapes(stream));
    setenv("COLUMNS", "40", 1);
    terminal_show_status("30 %, about 12 s left: searching all that there is", stream);
    terminal_show_status("", stream);
    unsetenv("COLUMNS");
    fclose(stream);
    assert_string_equal(text, "\r\x1b[K30 %, about 12 s left: searching all\r\x1b[K");
}

/* What a program that is ended by a signal leaves on a terminal, here a pipe, and how it ends. */
static int end_by(int number, const char *status, void (*handler)(int)) {
    int ends[2], how;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        FILE *stream = fdopen(ends[1], "w");
        setvbuf(stream, NULL, _IONBF, 0);
        signal(number, handler);
        terminal_show_status("half", stream);
        terminal_show_status(status, stream);
        raise(number);
        _exit(0);
    }
    close(ends[1]);
    ssize_t length = read(ends[0], text, sizeof text - 1), more = length;
    for (; more > 0; length += more)
        more = read(ends[0], text + length, sizeof text - 1 - (size_t)length);
    text[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &how, 0), child);
    return WIFSIGNALED(how) ? WTERMSIG(how) : 0;
}

static void end_with_words(int number) {
    terminal_clear_status();
    _exit(number);
}

static void a_signal_takes_the_status_away(void **state) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_int_equal(end_by(numbers[i], "more", SIG_DFL), numbers[i]);
        assert_string_equal(text, "\r\x1b[Khalf\r\x1b[Kmore\r\x1b[K");
        assert_int_equal(end_by(numbers[i], "", SIG_DFL), numbers[i]);
        assert_string_equal(text, "\r\x1b[Khalf\r\x1b[K");
        assert_int_equal(end_by(numbers[i], "more", SIG_IGN), 0); /* as nohup has it */
        assert_string_equal(text, "\r\x1b[Khalf\r\x1b[Kmore");
        assert_int_equal(end_by(numbers[i], "more", end_with_words), 0);
        assert_string_equal(text, "\r\x1b[Khalf\r\x1b[Kmore\r\x1b[K");
    }
}

static void columns_of_text_are_those_that_a_terminal_shows(void **state) {
    (void)state;
    assert_int_equal(terminal_text_columns("plain"), 5);
    assert_int_equal(terminal_text_columns("M\u00f6bius"), 6);
    assert_int_equal(terminal_text_columns("\x1b[1mbold\x1b[0m"), 4);
    assert_int_equal(terminal_text_columns("\u2588\u2591"), 2); /* the bars of the report */
    assert_int_equal(terminal_text_columns("\u6a21\u578b"), 4);
    assert_int_equal(terminal_text_columns("o\u0308"), 1);   /* o, and two dots for it */
    assert_int_equal(terminal_text_columns("\xff\x80x"), 2); /* no UTF-8 */
    assert_int_equal(terminal_text_columns("\x1b[1"), 0);    /* cut off */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_those_of_the_environment),
        cmocka_unit_test(paragraphs_fit),
        cmocka_unit_test(a_status_stays_on_its_line),
        cmocka_unit_test(a_signal_takes_the_status_away),
        cmocka_unit_test(columns_of_text_are_those_that_a_terminal_shows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
