#!/bin/sh
# An image of one program: image.sh NAME FILE. The program is busybox; without a command it sleeps.
set -eu
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root/bin" "$work/root/tmp"
cp /bin/busybox "$work/root/bin/busybox"
for applet in sh sleep echo cat ls nc wget httpd touch; do ln -s busybox "$work/root/bin/$applet"; done
tar -C "$work/root" -cf "$work/layer.tar" .
digest=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
cat >"$work/config.json" <<END
{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["/bin/sleep","1000000"]},
"rootfs":{"type":"layers","diff_ids":["sha256:$digest"]},"history":[{"created_by":"busybox"}]}
END
cat >"$work/manifest.json" <<END
[{"Config":"config.json","RepoTags":["$1"],"Layers":["layer.tar"]}]
END
tar -C "$work" -cf "$2" config.json manifest.json layer.tar
