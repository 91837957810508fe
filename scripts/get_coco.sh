#!/usr/bin/env bash
# Usage: get_coco.sh [FOLDER]    (default: data/coco)
# Fetches COCO 2017 (train and val) from its authors and writes Darknet labels and lists beside it:
#   images/{train,val}2017/  labels/{train,val}2017/  annotations/  train2017.txt  val2017.txt
# It can be stopped at any time and run again; a folder or file under its final name is complete.
# KEEP_ZIPS=1 keeps the archives. Needs curl, Python 3, and 45 GB of free disk while it unpacks (20 GB after).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
coco=${1:-$here/../data/coco}
python=${PYTHON:-python3}
images_at=${COCO_IMAGES_AT:-http://images.cocodataset.org/zips}
annotations_at=${COCO_ANNOTATIONS_AT:-http://images.cocodataset.org/annotations}

fail() { echo "get_coco.sh: $*" >&2; exit 1; }

case ${1:-} in -*) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;; esac
for tool in curl "$python"; do
    command -v "$tool" >/dev/null || fail "$tool is needed and was not found"
done
mkdir -p "$coco"
coco=$(cd "$coco" && pwd)
cd "$coco"

# need_space GB: stops unless so much is free.
need_space() {
    local free_gb=$(($(df -Pk . | awk 'NR == 2 { print $4 }') / 1000000))
    [ "$free_gb" -ge "$1" ] || fail "$1 GB of free disk are needed for the next step, $coco has $free_gb"
}

# count_jpg FOLDER
count_jpg() { find "$1" -name '*.jpg' | wc -l | tr -d ' '; }

# fetch ADDRESS ZIP: goes on with ZIP.part; ZIP exists only when whole.
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
    local said
    echo "unpacking $1"
    rm -rf "$2.unzip"
    said=$("$python" -m zipfile -e "$1" "$2.unzip" 2>&1) ||
        fail "could not unpack $coco/$1: ${said##*$'\n'}; if it is damaged, delete it and run this again"
}

# get_images NAME COUNT GB
get_images() {
    local name=$1 count=$2 found
    if [ ! -d "images/$name" ]; then
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
    if [ ! -d annotations ]; then
        need_space 2
        fetch "$annotations_at/annotations_trainval2017.zip" annotations.zip
        unpack annotations.zip annotations
        mv annotations.unzip/annotations annotations
        rm -rf annotations.unzip
    fi
    [ -n "${KEEP_ZIPS:-}" ] || rm -f annotations.zip
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

train_count=${COCO_TRAIN_COUNT:-118287}
val_count=${COCO_VAL_COUNT:-5000}
get_annotations
get_images val2017 "$val_count" 3
get_images train2017 "$train_count" 42
for part in val2017 train2017; do write_labels "$part"; done
check_list val2017 "$val_count"
check_list train2017 "$train_count"
echo "COCO 2017 is complete in $coco"
