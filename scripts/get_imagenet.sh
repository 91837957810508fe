#!/usr/bin/env bash
# Usage: get_imagenet.sh [FOLDER]    (default: data/imagenet)
# Checks and arranges ImageNet (ILSVRC2012), which you download yourself from image-net.org, where you agree to its terms.
# Put these into FOLDER:
#   ILSVRC2012_img_train.tar (138 GB)  ILSVRC2012_img_val.tar (6.3 GB)  ILSVRC2012_devkit_t12.tar.gz
# Then this writes beside them:
#   train/<wnid>/*.JPEG  val/<wnid>/*.JPEG  train.txt  val.txt  labels.txt  names.txt
# Folders train/ and val/ that you have sorted by class already are checked and taken as they are.
# It can be stopped at any time and run again; a folder or file under its final name is complete. The archives are left
# alone. Needs Python 3, tar, and 160 GB of free disk beside the archives, twice as much while it unpacks.
# SKIP_HASHES=1 does not compute the archives' MD5 sums (minutes).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-$here/../data/imagenet}
python=${PYTHON:-python3}
train_tar=ILSVRC2012_img_train.tar
val_tar=ILSVRC2012_img_val.tar
kit=ILSVRC2012_devkit_t12.tar.gz
train_md5=${IMAGENET_TRAIN_MD5:-1d675b47d978889d74fa0da5fadfb00e}
val_md5=${IMAGENET_VAL_MD5:-29b22e2961454d5413ddabcf34fc5622}
kit_md5=${IMAGENET_KIT_MD5:-fa75699e90414af021442c21a62c3abf}
classes=${IMAGENET_CLASSES:-1000}
train_count=${IMAGENET_TRAIN_COUNT:-1281167}
val_count=${IMAGENET_VAL_COUNT:-50000}

fail() { echo "get_imagenet.sh: $*" >&2; exit 1; }

case ${1:-} in -*) sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;; esac
for tool in tar "$python"; do
    command -v "$tool" >/dev/null || fail "$tool is needed and was not found"
done
[ -d "$folder" ] || fail "there is no folder $folder; make it and put $train_tar, $val_tar and $kit into it"
folder=$(cd "$folder" && pwd)
cd "$folder"

# need FILE MD5: stops unless the file is there and whole; FILE.md5 remembers that it was.
need() {
    local found
    [ -f "$1" ] || fail "there is no $folder/$1; download it from image-net.org"
    [ -z "${SKIP_HASHES:-}" ] || return 0
    [ "$(cat "$1.md5" 2>/dev/null)" != "$2" ] || return 0
    echo "checking $1"
    found=$("$python" - "$1" <<'PYTHON'
import hashlib, sys
digest = hashlib.md5()
with open(sys.argv[1], "rb") as file:
    while block := file.read(1 << 24):
        digest.update(block)
print(digest.hexdigest())
PYTHON
    )
    [ "$found" = "$2" ] || fail "$folder/$1 has the MD5 sum $found, expected $2; download it again"
    echo "$found" >"$1.md5"
}

# count FOLDER: images in the folders below it.
count() { find "$1" -mindepth 2 -maxdepth 2 -name '*.JPEG' | wc -l | tr -d ' '; }

# count_classes FOLDER
count_classes() { find "$1" -mindepth 1 -maxdepth 1 -type d | wc -l | tr -d ' '; }

# The archive of the training images holds an archive for each class; one that is unpacked is deleted.
unpack_train() {
    local inner wnid
    [ ! -d train ] || return 0
    need "$train_tar" "$train_md5"
    if [ ! -f train.partial/.unpacked ]; then
        echo "unpacking $train_tar"
        rm -rf train.partial
        mkdir train.partial
        tar -xf "$train_tar" -C train.partial || fail "could not unpack $folder/$train_tar"
        touch train.partial/.unpacked
    fi
    for inner in train.partial/*.tar; do
        [ -f "$inner" ] || continue
        wnid=$(basename "$inner" .tar)
        echo "unpacking $wnid"
        rm -rf "train.partial/$wnid"
        mkdir "train.partial/$wnid"
        tar -xf "$inner" -C "train.partial/$wnid" || fail "could not unpack $folder/$inner"
        rm "$inner"
    done
    mv train.partial train
    rm train/.unpacked
}

# The archive of the validation images is flat; the development kit knows their classes.
unpack_val() {
    local label number image
    [ ! -d val ] || return 0
    [ -f val_labels.txt ] || fail "there is no $folder/$kit, which tells the classes of the validation images"
    need "$val_tar" "$val_md5"
    echo "unpacking $val_tar"
    rm -rf val.partial
    mkdir val.partial
    tar -xf "$val_tar" -C val.partial || fail "could not unpack $folder/$val_tar"
    while read -r label; do mkdir -p "val.partial/$label"; done <labels.txt
    number=0
    while read -r label; do
        number=$((number + 1))
        image=$(printf 'ILSVRC2012_val_%08d.JPEG' "$number")
        mv "val.partial/$image" "val.partial/$label/" || fail "$val_tar holds no $image"
    done <val_labels.txt
    mv val.partial val
}

read_kit() {
    [ ! -f labels.txt ] || return 0
    if [ -f "$kit" ]; then
        need "$kit" "$kit_md5"
        "$python" "$here/imagenet_devkit.py" "$kit" . "$classes" || fail "could not read $folder/$kit"
    fi
}

# Without the kit the classes are the folders; that is another order than the one of Darknet's published weights.
name_by_folders() {
    [ ! -f labels.txt ] || return 0
    echo "note: there is no $kit, so classes are numbered by their folders, unlike in Darknet's published weights"
    (cd train && ls -d -- */ | tr -d / | LC_ALL=C sort) >labels.txt.partial
    cp labels.txt.partial names.txt
    mv labels.txt.partial labels.txt
}

# check FOLDER COUNT
check() {
    local found
    found=$(count_classes "$1")
    [ "$found" = "$classes" ] || fail "$folder/$1 holds $found classes, expected $classes; delete it and run this again"
    found=$(count "$1")
    [ "$found" = "$2" ] || fail "$folder/$1 holds $found images, expected $2; delete it and run this again"
    while read -r wnid; do
        [ -d "$1/$wnid" ] || fail "$folder/$1 lacks the class $wnid of labels.txt"
    done <labels.txt
}

# A list is written last, so it says that the folder was checked.
write_list() {
    find "$1" -mindepth 2 -maxdepth 2 -name '*.JPEG' | LC_ALL=C sort >"$1.txt.partial"
    mv "$1.txt.partial" "$1.txt"
}

read_kit
unpack_val
unpack_train
name_by_folders
check val "$val_count"
check train "$train_count"
for part in val train; do [ -f "$part.txt" ] || write_list "$part"; done
echo "ImageNet is complete in $folder"
