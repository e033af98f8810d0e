#include "common/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_BYTES_OF_PIPE = 64 * 1024, WRITER_MILLISECONDS = 2000, BYTES_A_MIB = 1 << 20 };

static bool too_large(size_t most_bytes, struct error *error) {
    return error_set(error, "the file is larger than %zu MiB, the most that is read",
                     most_bytes / BYTES_A_MIB);
}

/* `room`: bytes to begin with. */
static bool read_bytes(int descriptor, size_t room, size_t most_bytes, struct arena *arena,
                       struct text_file *file, struct error *error) {
    struct pollfd pipe = {.fd = descriptor, .events = POLLIN};
    char *text = arena_allocate(arena, room + 1, 1);

    for (;;) {
        ssize_t count;

        if (file->size > most_bytes)
            return too_large(most_bytes, error);
        if (file->size == room) {
            char *larger = arena_allocate(arena, 2 * room + 1, 1);

            memcpy(larger, text, room);
            text = larger;
            room *= 2;
        }
        if (poll(&pipe, 1, WRITER_MILLISECONDS) < 0 && errno == EINTR)
            continue;
        count = read(descriptor, text + file->size, room - file->size);
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) /* a writer that takes its time */
            continue;
        if (count < 0)
            return error_set(error, "can't be read: %s", strerror(errno));
        if (count == 0)
            break;
        file->size += (size_t)count;
    }
    file->text = text;
    return true;
}

/* Windows' editors and spreadsheets write one; it is no character of the first line. */
static void skip_byte_order_mark(struct text_file *file) {
    static const char mark[] = "\xef\xbb\xbf";
    size_t size = sizeof mark - 1;

    if (file->size < size || memcmp(file->text, mark, size) != 0)
        return;
    file->text += size;
    file->size -= size;
}

static bool read_open(int descriptor, size_t most_bytes, struct arena *arena, struct text_file *file,
                      struct error *error) {
    struct stat status;
    size_t room = FIRST_BYTES_OF_PIPE;

    if (fstat(descriptor, &status) != 0)
        return error_set(error, "can't be read: %s", strerror(errno));
    if (S_ISDIR(status.st_mode))
        return error_set(error, "a directory, where a file was expected");
    if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode))
        return error_set(error, "a device, where a file was expected");
    if (S_ISREG(status.st_mode)) {
        if (status.st_size > (off_t)most_bytes)
            return too_large(most_bytes, error);
        room = (size_t)status.st_size + 1; /* so that its end is seen without more of it */
    }
    if (!read_bytes(descriptor, room, most_bytes, arena, file, error))
        return false;
    skip_byte_order_mark(file);
    return file->size > 0 ||
           error_set(error, S_ISREG(status.st_mode) ? "the file is empty" : "nothing came through the pipe");
}

bool text_file_read(const char *path, size_t most_bytes, struct arena *arena, struct text_file *file,
                    struct error *error) {
    /* Without O_NONBLOCK a pipe nobody writes to would hold us here. */
    int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    bool good;

    *file = (struct text_file){.text = NULL};
    if (path[0] == '\0') {
        good = error_set(error, "the name of a file was expected, not an empty one");
    } else if (descriptor < 0) {
        good = error_set(error, "can't be opened: %s", strerror(errno));
    } else {
        good = read_open(descriptor, most_bytes, arena, file, error);
        close(descriptor);
    }
    if (!good)
        snprintf(error->file, sizeof error->file, "%s", path);
    return good;
}
