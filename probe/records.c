/* The journal is text: a line for each part of the identity, then one for each figure. A last line cut short
 * by a crash is left out when it is read. */
#include "probe/records.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cluster.h"
#include "probe/task.h"

/* To be raised when lines are written otherwise, and when a line of the same key stands for something else:
 * 3, since the groups of collectives have the order of the job's ranks; 4, since MPI and its settings stand
 * in the identity; 5, since each line ends with the bytes that were sent. */
enum { FORMAT = 5 };
enum { FIELDS = 16, HEAD_LINES = 1 + IDENTITY_PARTS };
enum {
    LEVEL_LEAST = -2,
    LEVEL_END = 1 << 30
}; /* of a record: the inside of a socket; the last look there may be */

static bool same_key(const struct record *one, const struct record *other) {
    return one->phase == other->phase && one->kind == other->kind && one->from == other->from &&
           one->to == other->to && one->operation == other->operation && one->transport == other->transport &&
           one->members == other->members && one->level == other->level && one->bytes == other->bytes;
}

/* FNV-1a: www.isthe.com/chongo/tech/comp/fnv; by words, whose high bits come down at the end. */
static uint64_t hash_key(const struct record *key) {
    const uint64_t words[] = {(uint64_t)(uint32_t)key->phase << 32 | (uint32_t)key->kind,
                              (uint64_t)(uint32_t)key->from << 32 | (uint32_t)key->to,
                              (uint64_t)(uint32_t)key->operation << 32 | (uint32_t)key->transport,
                              (uint64_t)(uint32_t)key->members << 32 | (uint32_t)key->level,
                              (uint64_t)key->bytes};
    uint64_t hash = 14695981039346656037U;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        hash = (hash ^ words[i]) * 1099511628211U;
        hash ^= hash >> 32;
    }
    return hash;
}

/* Where the figure of the key stands in the index, or would stand. */
static size_t *find_slot(const struct records *records, const struct record *key) {
    size_t slot = (size_t)hash_key(key) & (records->index_end - 1);
    while (records->index[slot] != 0 && !same_key(&records->items[records->index[slot] - 1], key))
        slot = (slot + 1) & (records->index_end - 1);
    return &records->index[slot];
}

/* Of all figures read so far, at most half full: there may be millions, each asked for once. */
static bool make_index(struct records *records) {
    size_t end = 2;
    while (end < 2 * records->count)
        end *= 2;
    records->index = calloc(end, sizeof *records->index);
    if (records->index == NULL)
        return false;
    records->index_end = end;
    records->resumed = records->count;
    for (size_t i = 0; i < records->count; i++) {
        size_t *slot = find_slot(records, &records->items[i]);
        *slot = *slot == 0 ? i + 1 : *slot;
    }
    return true;
}

/* The figure of the same collective; NULL: none yet. Those of a campaign stand together at the end. */
static struct record *find_collective(struct records *records, const struct record *key) {
    for (size_t i = records->count; i-- > 0;) {
        struct record *item = &records->items[i];
        if (item->kind != TASK_COLLECTIVE || same_key(item, key))
            return item->kind == TASK_COLLECTIVE ? item : NULL;
    }
    return NULL;
}

/* Adds it, or puts it in the place of a slower look at the same collective. `kept`: one of both. False: out
 * of memory. */
static bool append(struct records *records, const struct record *record, bool *kept) {
    struct record *known = record->kind == TASK_COLLECTIVE ? find_collective(records, record) : NULL;
    *kept = known == NULL || record->summary.lower_quartile < known->summary.lower_quartile;
    if (known != NULL) {
        *known = *kept ? *record : *known;
        return true;
    }
    if (records->count == records->capacity) {
        size_t capacity = records->capacity == 0 ? 256 : records->capacity * 2;
        struct record *items = realloc(records->items, capacity * sizeof *items);
        if (items == NULL)
            return false;
        records->items = items;
        records->capacity = capacity;
    }
    records->items[records->count++] = *record;
    return true;
}

static bool parse(const char *line, struct record *record) {
    long long bytes, count, sent;
    int end = 0;
    struct summary *s = &record->summary;
    memset(record, 0, sizeof *record);
    int fields = sscanf(line, "%d %d %d %d %d %d %d %d %lld %lld %la %la %la %la %la %lld%n", &record->phase,
                        &record->kind, &record->from, &record->to, &record->operation, &record->transport,
                        &record->members, &record->level, &bytes, &count, &s->minimum, &s->lower_quartile,
                        &s->median, &s->upper_quartile, &s->maximum, &sent, &end);
    record->bytes = bytes;
    record->sent_bytes = sent;
    s->count = count;
    return fields == FIELDS && line[end] == '\n';
}

static bool is_between(int32_t value, int32_t least, int32_t end) {
    return value >= least && value < end;
}

/* Whether a run of `ranks` may have written it: what was edited must not lead outside of any array. */
static bool is_possible(const struct record *record, int32_t ranks) {
    const struct summary *s = &record->summary;
    bool collective = record->kind == TASK_COLLECTIVE;
    const double figures[] = {s->minimum, s->lower_quartile, s->median, s->upper_quartile, s->maximum};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        if (!isfinite(figures[i]) || figures[i] < 0)
            return false;
    return is_between(record->phase, 0, PHASE_COUNT) && is_between(record->kind, 0, TASK_COMPUTE + 1) &&
           is_between(record->from, 0, ranks) && is_between(record->to, 0, ranks) &&
           is_between(record->operation, 0, collective ? COLLECTIVE_COUNT : INT32_MAX) &&
           is_between(record->transport, 0, TRANSPORT_COUNT) && is_between(record->members, 1, ranks + 1) &&
           is_between(record->level, collective ? 0 : LEVEL_LEAST, collective ? GROUP_COUNT : LEVEL_END) &&
           record->bytes >= 0 && record->sent_bytes >= 0 && s->count >= 0;
}

/* Figures up to the end, or to a line that a crash cut short; `lines` counts them. False where the next is
 * none that `ranks` ranks wrote, or memory is out (`kept` false). */
static bool read_figures(struct records *records, FILE *file, int32_t ranks, size_t *lines, bool *kept) {
    char *line = NULL;
    size_t size = 0;
    bool possible = true, news;
    struct record record;
    ssize_t length;
    *kept = true;
    while (possible && *kept && (length = getline(&line, &size, file)) > 0 && line[length - 1] == '\n') {
        possible = parse(line, &record) && is_possible(&record, ranks);
        *kept = !possible || append(records, &record, &news);
        *lines += possible ? 1 : 0;
    }
    free(line);
    return possible && *kept;
}

/* NULL with the reason where there is none. */
static FILE *open_earlier(const char *path, const char **why) {
    struct stat status;
    bool regular = stat(path, &status) != 0 || S_ISREG(status.st_mode);
    FILE *file = regular ? fopen(path, "r") : NULL;
    *why = regular ? strerror(errno) : "it is no file";
    return file;
}

static bool reject_identity(const char *path, enum identity_part part, const char *earlier, const char *now,
                            struct error *error) {
    enum { WORDS_MAX = 150 };
    if (part == IDENTITY_RANKS) {
        error_set(error, "%s is of other hosts, ranks or another program", path);
    } else {
        size_t differ = identity_difference(earlier, now);
        error_set(error, "%s was measured with another %s: %.*s; this run: %.*s", path, identity_names[part],
                  WORDS_MAX, earlier + differ, WORDS_MAX, now + differ);
    }
    return error_hint(error,
                      "--resume needs the mpirun line of the first run; to begin anew, remove the journal");
}

/* The lines after the first. */
static bool check_identity(FILE *file, const char *path, const struct identity *identity,
                           struct error *error) {
    char *line = NULL;
    size_t size = 0;
    bool same = true;
    for (int part = 0; part < IDENTITY_PARTS && same; part++) {
        size_t name = strlen(identity_names[part]);
        const char *earlier = "nothing";
        if (getline(&line, &size, file) > 0) {
            line[strcspn(line, "\n")] = '\0';
            bool named = strncmp(line, identity_names[part], name) == 0 && strncmp(line + name, ": ", 2) == 0;
            earlier = named ? line + name + 2 : line;
        }
        same = strcmp(earlier, identity->parts[part]) == 0;
        if (!same)
            reject_identity(path, (enum identity_part)part, earlier, identity->parts[part], error);
    }
    free(line);
    return same;
}

static bool check_head(FILE *file, const char *path, const struct identity *identity, struct error *error) {
    char *line = NULL;
    size_t size = 0;
    int format = 0, end = 0;
    bool journal = getline(&line, &size, file) > 0 &&
                   sscanf(line, "clusterprobe journal %9d%n", &format, &end) == 1 && line[end] == '\n';
    free(line);
    if (journal && format == FORMAT)
        return check_identity(file, path, identity, error);
    if (!journal) {
        error_set(error, "%s is no journal of clusterprobe", path);
    } else {
        error_set(error,
                  "%s is a journal of format %d, of another version of clusterprobe; this one goes on with "
                  "format %d",
                  path, format, FORMAT);
    }
    return error_hint(error, "to begin anew, remove it");
}

static bool take_over(struct records *records, const struct identity *identity, int32_t ranks,
                      struct error *error) {
    const char *why;
    FILE *file = open_earlier(records->path, &why);
    if (file == NULL) {
        error_set(error, "nothing to resume: can't open %s: %s", records->path, why);
        return error_hint(error, "leave out --resume to begin anew");
    }
    size_t lines = 0;
    bool kept = true, same = check_head(file, records->path, identity, error);
    bool possible = same && read_figures(records, file, ranks, &lines, &kept);
    kept = kept && make_index(records);
    possible = possible && kept;
    fclose(file);
    if (!same || possible)
        return same;
    if (!kept)
        return error_set(error, "out of memory");
    error_set(error, "%s: line %zu is no figure that clusterprobe wrote", records->path,
              lines + HEAD_LINES + 1);
    return error_hint(error, "to begin anew, remove the journal");
}

/* What took time to measure is not lost because an option was forgotten. */
static bool check_nothing_is_lost(const char *path, struct error *error) {
    const char *why;
    FILE *file = open_earlier(path, &why);
    size_t lines = 0;
    for (int c; file != NULL && (c = getc(file)) != EOF;)
        lines += c == '\n' ? 1 : 0;
    if (file != NULL)
        fclose(file);
    if (lines <= HEAD_LINES)
        return true;
    error_set(error, "%s holds what an earlier run measured", path);
    return error_hint(error, "the same line with --resume goes on from there; to begin anew, remove it");
}

static bool write_record(struct records *records, const struct record *r, struct error *error) {
    const struct summary *s = &r->summary;
    int written = fprintf(records->journal, "%d %d %d %d %d %d %d %d %lld %lld %la %la %la %la %la %lld\n",
                          r->phase, r->kind, r->from, r->to, r->operation, r->transport, r->members, r->level,
                          (long long)r->bytes, (long long)s->count, s->minimum, s->lower_quartile, s->median,
                          s->upper_quartile, s->maximum, (long long)r->sent_bytes);
    return written >= 0 || error_set(error, "can't write %s: %s", records->path, strerror(errno));
}

bool records_flush(struct records *records, struct error *error) {
    if (records->journal != NULL && fflush(records->journal) != 0)
        return error_set(error, "can't write %s: %s", records->path, strerror(errno));
    return true;
}

/* A lock that another run holds; file systems without locks hold none. */
static bool lock_is_taken(int file) {
    return flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

static bool journal_is_taken(const char *path) {
    int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    bool taken = file >= 0 && lock_is_taken(file);
    if (file >= 0)
        close(file);
    return taken;
}

/* Makes an empty file that only this run writes. It becomes the journal by its new name, so a run that began
 * earlier holds the lock of this one or of the journal. */
static bool open_fresh(struct records *records, const char *fresh, struct error *error) {
    int file = open(fresh, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0666);
    if (file < 0)
        return error_set(error, "can't write %s: %s", fresh, strerror(errno));
    bool being_made = lock_is_taken(file);
    if (being_made || journal_is_taken(records->path)) {
        close(file);
        if (!being_made)
            unlink(fresh);
        error_set(error, "another clusterprobe writes %s at present", records->path);
        return error_hint(error, "give this one another -o");
    }
    records->journal = fdopen(file, "w");
    if (records->journal == NULL) {
        close(file);
        return error_set(error, "out of memory");
    }
    return ftruncate(file, 0) == 0 || error_set(error, "can't write %s: %s", fresh, strerror(errno));
}

static bool write_head(FILE *journal, const struct identity *identity) {
    bool good = fprintf(journal, "clusterprobe journal %d\n", FORMAT) >= 0;
    for (int part = 0; part < IDENTITY_PARTS; part++)
        good = good && fprintf(journal, "%s: %s\n", identity_names[part], identity->parts[part]) >= 0;
    return good && fflush(journal) == 0;
}

/* Writes what is there under another name first, so that a full disk leaves the earlier journal. */
bool records_open(struct records *records, const char *path, const struct identity *identity, int32_t ranks,
                  bool resume, struct error *error) {
    char fresh[PATH_MAX];
    memset(records, 0, sizeof *records);
    records->path = path;
    if ((size_t)snprintf(fresh, sizeof fresh, "%s.new", path) >= sizeof fresh)
        return error_set(error, "can't write %s: %s", path, strerror(ENAMETOOLONG));
    if (!open_fresh(records, fresh, error)) {
        records_close(records, false);
        return false;
    }
    bool good = resume ? take_over(records, identity, ranks, error) : check_nothing_is_lost(path, error);
    if (good && !write_head(records->journal, identity))
        good = error_set(error, "can't write %s: %s", fresh, strerror(errno));
    for (size_t i = 0; good && i < records->count; i++)
        good = write_record(records, &records->items[i], error);
    good = good && records_flush(records, error);
    if (good && rename(fresh, path) != 0)
        good = error_set(error, "can't rename %s: %s", fresh, strerror(errno));
    if (!good) {
        unlink(fresh);
        records_close(records, false);
    }
    return good;
}

const struct record *records_find(const struct records *records, const struct record *key) {
    const size_t *slot = records->index_end > 0 ? find_slot(records, key) : NULL;
    return slot == NULL || *slot == 0 ? NULL : &records->items[*slot - 1];
}

bool records_add(struct records *records, const struct record *record, struct error *error) {
    bool news;
    if (!append(records, record, &news))
        return error_set(error, "out of memory");
    return !news || records->journal == NULL || write_record(records, record, error);
}

void records_close(struct records *records, bool done) {
    if (records->journal != NULL) {
        fclose(records->journal);
        if (done)
            unlink(records->path);
    }
    free(records->items);
    free(records->index);
    memset(records, 0, sizeof *records);
}
