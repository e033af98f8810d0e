#!/bin/sh
# Checks that links between pages lead somewhere: to a file that is there, to a heading that its page has.
# usage: links.sh ROOT, where README.md lies
set -eu
cd "$1"
awk '
# As GitHub names a heading in links.
function anchor(heading) {
    heading = tolower(heading)
    gsub(/[^a-z0-9 _-]/, "", heading)
    gsub(/ /, "-", heading)
    return heading
}
FNR == 1 { fenced = 0; folder = FILENAME; if (!sub(/[^\/]*$/, "", folder)) folder = "" }
/^```/ { fenced = !fenced }
fenced { next }
/^#+ / { heading = $0; sub(/^#+ */, "", heading); known[FILENAME "#" anchor(heading)] }
{
    # A link may break over lines in its text, never in its target.
    rest = $0
    while (match(rest, /\]\([^) ]+\)/)) {
        target = substr(rest, RSTART + 2, RLENGTH - 3)
        rest = substr(rest, RSTART + RLENGTH)
        if (target ~ /^[a-z]+:/) continue
        links++
        from[links] = FILENAME ":" FNR
        to[links] = substr(target, 1, 1) == "#" ? FILENAME target : folder target
    }
}
END {
    for (i = 1; i <= links; i++) {
        target = to[i]
        while (sub(/[^\/]+\/\.\.\//, "", target)) { }
        file = target
        sub(/#.*/, "", file)
        if (system("test -e \"" file "\"") != 0 || (target ~ /#/ && file ~ /\.md$/ && !(target in known))) {
            print from[i] ": " to[i] " leads nowhere"
            lost++
        }
    }
    print links " links"
    exit lost > 0 || links == 0
}' README.md CONTRIBUTING.md docs/*.md
