#!/usr/bin/env bash
# Usage: get_coco.sh [--paper] [--from DIR] [FOLDER]    (default folder: data/coco)
# Fetches COCO 2017 (train and val) from its authors and writes Darknet labels and lists beside it:
#   images/{train,val}2017/  labels/{train,val}2017/  annotations/  train2017.txt  val2017.txt
# --paper: COCO 2014 with Darknet's lists instead, on which YOLOv3 and CSPNet were measured:
#   images/{train,val}2014/  labels/{train,val}2014/  annotations/  trainvalno5k.txt  5k.txt
# What is there already is used: archives in FOLDER, and folders like train2017 and annotations in FOLDER or in DIR,
# which are linked. It can be stopped at any time and run again; what has its final name is complete.
# Archives are checked by size, MD5 and the number of images. KEEP_ZIPS=1 keeps them.
# Needs curl, Python 3, and 45 GB of free disk while it unpacks (20 GB after).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-python3}
images_at=${COCO_IMAGES_AT:-http://images.cocodataset.org/zips}
annotations_at=${COCO_ANNOTATIONS_AT:-http://images.cocodataset.org/annotations}
lists_at=${COCO_LISTS_AT:-https://pjreddie.com/media/files/coco}

fail() { echo "get_coco.sh: $*" >&2; exit 1; }
usage() { sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2; }

year=2017 from='' coco=''
while [ $# -gt 0 ]; do
    case $1 in
        --paper) year=2014 ;;
        --from) [ $# -gt 1 ] || usage; from=$2; shift ;;
        -*) usage ;;
        *) [ -z "$coco" ] || usage; coco=$1 ;;
    esac
    shift
done
coco=${coco:-$here/../data/coco}
for tool in curl "$python"; do
    command -v "$tool" >/dev/null || fail "$tool is needed and was not found"
done
if [ -n "$from" ]; then
    [ -d "$from" ] || fail "there is no folder $from"
    from=$(cd "$from" && pwd)
fi
mkdir -p "$coco"
coco=$(cd "$coco" && pwd)
cd "$coco"

# The authors' archives; COCO_HASHES names a file of other ones, in md5sum's format.
hash_of() {
    if [ -n "${COCO_HASHES:-}" ]; then awk -v name="$1" '$2 == name { print $1 }' "$COCO_HASHES"; return; fi
    case $1 in
        train2017.zip) echo cced6f7f71b7629ddf16f17bbcfab6b2 ;;
        val2017.zip) echo 442b8da7639aecaf257c1dceb8ba8c80 ;;
        annotations_trainval2017.zip) echo f4bbac642086de4f52a3fdda2de5fa2c ;;
        train2014.zip) echo 0da8c0bd3d6becc4dcb32757491aca88 ;;
        val2014.zip) echo a3d79f5ed8d289b7a7554ce06a5782b3 ;;
        annotations_trainval2014.zip) echo 0a379cfc70b0e71301e0f377548639bd ;;
    esac
}

md5_of() {
    "$python" -c 'import hashlib, sys
found = hashlib.md5()
with open(sys.argv[1], "rb") as file:
    while part := file.read(1 << 20):
        found.update(part)
print(found.hexdigest())' "$1"
}

# need_space GB: stops unless so much is free.
need_space() {
    local free_gb=$(($(df -Pk . | awk 'NR == 2 { print $4 }') / 1000000))
    [ "$free_gb" -ge "$1" ] || fail "$1 GB of free disk are needed for the next step, $coco has $free_gb"
}

# count_jpg FOLDER
count_jpg() { find "$1/" -name '*.jpg' | wc -l | tr -d ' '; }

# fetch ADDRESS FILE: goes on with FILE.part; FILE exists only when whole.
fetch() {
    [ -f "$2" ] && return
    echo "fetching $1"
    # A .part that is whole already makes the server refuse the rest; the archive's own check decides.
    curl --fail --location --retry 5 --continue-at - --output "$2.part" "$1" ||
        "$python" -m zipfile -t "$2.part" >/dev/null 2>&1 ||
        fail "could not fetch $1; run this again to go on where it stopped"
    mv "$2.part" "$2"
}

# unpack ZIP INTO: reads every file's checksum; INTO.unzip is thrown away if it was left unfinished.
unpack() {
    local said wanted found
    echo "unpacking $1"
    wanted=$(hash_of "$1")
    if [ -n "$wanted" ]; then
        found=$(md5_of "$1")
        [ "$found" = "$wanted" ] || fail "$coco/$1 is damaged (MD5 $found, not $wanted); delete it and run this again"
    fi
    rm -rf "$2.unzip"
    said=$("$python" -m zipfile -e "$1" "$2.unzip" 2>&1) ||
        fail "could not unpack $coco/$1: ${said##*$'\n'}; if it is damaged, delete it and run this again"
}

# adopt NAME COUNT: links images/NAME to a folder NAME that is there already, in COCO's own layout.
adopt() {
    local place found
    for place in "$coco/$1" ${from:+"$from/$1" "$from/images/$1"}; do
        [ -d "$place" ] || continue
        found=$(count_jpg "$place")
        [ "$found" = "$2" ] || fail "$place holds $found images, expected $2"
        mkdir -p images
        case $place in "$coco"/*) place=../$1 ;; esac
        ln -s "$place" "images/$1" || fail "$coco/images/$1 cannot be linked to $place"
        echo "images/$1 -> $place"
        return
    done
    return 1
}

# get_images NAME COUNT GB
get_images() {
    local name=$1 count=$2 found
    if [ ! -d "images/$name" ] && ! adopt "$name" "$count"; then
        need_space "$3"
        fetch "$images_at/$name.zip" "$name.zip"
        unpack "$name.zip" "$name"
        found=$(count_jpg "$name.unzip")
        [ "$found" = "$count" ] || fail "$name.zip holds $found images, expected $count; delete it and run this again"
        mkdir -p images
        mv "$name.unzip/$name" "images/$name"
        rm -rf "$name.unzip"
    fi
    [ -n "${KEEP_ZIPS:-}" ] || rm -f "$name.zip"
}

get_annotations() {
    local zip=annotations_trainval$year.zip part file
    for part in train val; do
        file=annotations/instances_$part$year.json
        if [ -n "$from" ] && [ -f "$from/$file" ] && [ ! -f "$file" ]; then
            mkdir -p annotations
            ln -s "$from/$file" "$file"
        fi
    done
    if [ ! -f "annotations/instances_train$year.json" ] || [ ! -f "annotations/instances_val$year.json" ]; then
        need_space 2
        fetch "$annotations_at/$zip" "$zip"
        unpack "$zip" annotations
        mkdir -p annotations
        mv -f annotations.unzip/annotations/* annotations/
        rm -rf annotations.unzip
    fi
    [ -n "${KEEP_ZIPS:-}" ] || rm -f "$zip"
}

# The list is written last, so it says that the labels are whole.
write_labels() {
    [ -f "$1.txt" ] && return
    "$python" "$here/coco_to_darknet.py" "annotations/instances_$1.json" "images/$1" "labels/$1" "$1.txt"
}

check_list() {
    local found
    found=$(wc -l <"$1.txt" | tr -d ' ')
    [ "$found" = "$2" ] || fail "$coco/$1.txt names $found images, expected $2; delete it and run this again"
}

# Darknet's list NAME: paths without the slash they begin with, all of them images that are there.
get_list() {
    local missing
    [ -f "$1.txt" ] && return
    fetch "$lists_at/$1.part" "$1.part.txt"
    tr -d '\r' <"$1.part.txt" | sed -e 's|^[[:space:]/]*||' -e '/^$/d' >"$1.partial"
    missing=$(sort "$1.partial" | comm -23 - <(cat "train$year.txt" "val$year.txt" | sort) | head -n 1)
    [ -z "$missing" ] || fail "$coco/$1.part.txt names $missing, which is not among the images; delete it and run this again"
    mv "$1.partial" "$1.txt"
    rm -f "$1.part.txt"
}

if [ "$year" = 2017 ]; then
    train_count=${COCO_TRAIN_COUNT:-118287} val_count=${COCO_VAL_COUNT:-5000} train_gb=42 val_gb=3
else
    train_count=${COCO_TRAIN_COUNT:-82783} val_count=${COCO_VAL_COUNT:-40504} train_gb=30 val_gb=15
fi
get_annotations
get_images "val$year" "$val_count" "$val_gb"
get_images "train$year" "$train_count" "$train_gb"
for part in val train; do write_labels "$part$year"; done
check_list "val$year" "$val_count"
check_list "train$year" "$train_count"
if [ "$year" = 2014 ]; then
    for list in 5k trainvalno5k; do get_list "$list"; done
    check_list 5k "${COCO_5K_COUNT:-5000}"
    both=$(sort 5k.txt | comm -12 - <(sort trainvalno5k.txt) | head -n 1)
    [ -z "$both" ] || fail "$both is in both lists; delete 5k.txt and trainvalno5k.txt and run this again"
fi
echo "COCO $year is complete in $coco"
