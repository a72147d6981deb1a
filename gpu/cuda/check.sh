#!/usr/bin/env bash
# Checks and times the NVIDIA device on a GPU machine that has neither Go nor
# oneDNN: binaries are built elsewhere and carried there, with the working tree.
#
#   gpu/cuda/check.sh build     here: out/gpu/, about 15 MB
#   gpu/cuda/check.sh speed     there: models, tiles, PyTorch, kernels
#   gpu/cuda/check.sh correct   there: pictures, tests, sanitizer
#   gpu/cuda/check.sh training  there: LoRA and full, PyTorch
#
# Each of the three ends after $BUDGET seconds (560) with what it has. Results are
# written to $OUT, or out/gpu/results, as they come; a summary is printed last.
set -uo pipefail
cd "$(dirname "$0")/../.."
pack=out/gpu
suites=(gpu gpu/cuda gpu/optim unet vae textencoder app/pipeline)
prompt="a large fox on a blue background"

build() {
	set -e
	rm -rf "$pack" && mkdir -p "$pack/bin"
	export C_INCLUDE_PATH=$PWD/gpu/cuda/include LIBRARY_PATH=$PWD/gpu/cuda/lib
	# The weights travel in the tree, not in every binary.
	printf '{"Replace":{' >"$pack/overlay.json"
	find "$PWD/assets/model" -name '*.safetensors' | sed 's/.*/"&":""/' | paste -sd, >>"$pack/overlay.json"
	printf '}}' >>"$pack/overlay.json"
	flags=(-trimpath -overlay "$pack/overlay.json" -ldflags "-s -w" -tags "cuda headless nodnnl")
	go build "${flags[@]}" -o "$pack/bin/latent" ./app
	for s in "${suites[@]}"; do go test -c "${flags[@]}" -o "$pack/bin/${s//\//_}.test" "./$s"; done
	tar -C "$pack" -cf - bin | xz -9 -T1 >"$pack/bin.tar.xz"
	rm -r "$pack/bin"
	# What the CPU makes of the same seed in float32.
	go run -trimpath -tags headless ./app generate --device host --precision f32 --prompt "$prompt" --seed 1 --out "$pack/host.png"
	du -sh "$pack"
}

start() {
	mkdir -p "${OUT:=out/gpu/results}"
	out=$(cd "$OUT" && pwd)
	summary=$out/summary.txt
	export out prompt LATENT_TEST_GPU=1
	deadline=$((SECONDS + ${BUDGET:-560}))
	trap finish EXIT
	bin=$(mktemp -d)/bin
	export bin
	tar -C "${bin%/bin}" -xJf "$pack/bin.tar.xz" ||
		python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' "$pack/bin.tar.xz" "${bin%/bin}"
	date -u >"$summary"
	nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,power.limit --format=csv,noheader >>"$summary" 2>&1
	# Has the driver compile every kernel and keep it, which the first of the others would wait for.
	try doctor 200 "$bin/latent" doctor
	show doctor
}

# try NAME SECONDS COMMAND…: one line for the summary, the rest in a log. Nothing that
# fails or hangs keeps what follows from being run, while there is time.
try() {
	local name=$1 limit=$2 begin=$SECONDS left=$((deadline - SECONDS)) status
	shift 2
	if [ "$left" -lt 5 ]; then
		printf '%-28s %s\n' "$name" "not run: the time is over" >>"$summary"
		return
	fi
	[ "$limit" -gt "$left" ] && limit=$left
	timeout -k 5 "$limit" bash -c '"$@"' _ "$@" >"$out/$name.log" 2>&1
	status=$?
	case $status in 0) status=ok ;; 124 | 137) status="stopped after $limit s" ;; *) status="FAILED ($status)" ;; esac
	printf '%-28s %-24s %4d s\n' "$name" "$status" $((SECONDS - begin)) >>"$summary"
}

# show NAME… puts logs into the summary, at once.
show() {
	local name
	for name; do
		[ -s "$out/$name.log" ] && { echo "--- $name"; tail -n 120 "$out/$name.log"; } >>"$summary"
	done
}

suite() { # PACKAGE FLAGS…
	local package=$1
	shift
	cd "$package" && exec "$bin/${package//\//_}.test" "$@"
}

correct() {
	start
	# The most telling first: a picture goes through nearly everything.
	for precision in f32 bf16; do
		try "picture-$precision" 60 "$bin/latent" generate --model assets/model --device cuda --precision $precision --cfg 4 --prompt "$prompt" --seed 1 --out "$out/$precision.png"
	done
	try psnr 30 python3 gpu/cuda/psnr.py "$pack/host.png" "$out/f32.png:45" "$out/bf16.png:30"
	show psnr
	try ops 90 suite gpu -test.run '^TestOps$//cuda' -test.v
	try tiles 60 suite gpu/cuda -test.run 'TestTiles|TestHeadSizes|TestFused|TestJoined|TestGroupNorm|TestLayerNorm|TestLinearMany|TestFewRows' -test.v
	# Other random inputs than the ones the tolerances were found with.
	for seed in 1 2 3; do
		LATENT_TEST_SEED=$seed try "ops-seed-$seed" 60 suite gpu -test.run '^TestOps$//cuda'
	done
	try device 60 suite gpu/cuda -test.v -test.run 'TestReplay|TestCapture|TestTransfers|TestCombine|TestExamine|TestTune|TestAdamWMany'
	for s in gpu/optim unet vae textencoder app/pipeline; do
		try "test-${s//\//_}" 90 suite "$s" -test.v -test.run '/cuda'
	done
	try sanitizer-memcheck 150 sanitize memcheck
	try hundred-pictures 100 hundred
	try sanitizer-racecheck 150 sanitize racecheck
	show hundred-pictures
	grep -A4 '^ *--- FAIL' "$out"/*.log | head -60 >>"$summary"
}

# finish leaves few files: the summary, the logs in one, and the pictures.
finish() {
	trap - EXIT
	(cd "$out" && tar -czf logs.tar.gz *.log && rm -rf *.log hundred)
	cat "$summary"
}

sanitize() {
	cd gpu && exec compute-sanitizer --tool "$1" --error-exitcode 9 "$bin/gpu.test" -test.run '^TestOps$//cuda'
}

# hundred paints 100 pictures in one process and looks at the GPU's memory.
hundred() {
	local dir=$out/hundred
	"$bin/latent" generate --model assets/model --device cuda --cfg 4 --steps 10 --count 100 --prompt "$prompt" --seed 1 --out "$dir" &
	local pid=$! most=0 early=0 used
	while kill -0 $pid 2>/dev/null; do
		used=$(nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits | head -1)
		[ "$(find "$dir" -name '*.png' 2>/dev/null | wc -l)" -ge 10 ] && [ "$early" = 0 ] && early=$used
		[ "$used" -gt "$most" ] && most=$used
		sleep 0.2
	done
	wait $pid || return
	echo "memory after 10 pictures: $early MiB, most of all 100: $most MiB"
	[ "$most" -le $((early + 16)) ]
}

# speed: a step as it is, then the plans of its products measured, and a step with
# those; $OUT/tiles.txt is to replace gpu/cuda/tiles.txt.
speed() {
	start
	try sd15 80 "$bin/latent" bench --device cuda --arch sd15
	show sd15
	try tune 170 tune
	show tune
	[ -s "$out/tiles.txt" ] && export LATENT_CUDA_TILES=$out/tiles.txt
	try sd15-tuned 80 "$bin/latent" bench --device cuda --arch sd15 --profile
	show sd15-tuned
	PYTHONUNBUFFERED=1 try pytorch 240 python3 gpu/cuda/bench.py
	show pytorch
	try sdxl-tuned 100 "$bin/latent" bench --device cuda --arch sdxl --profile
	show sdxl-tuned
	LATENT_SPEED=1 try kernels 120 suite gpu/cuda -test.run '^TestSpeed$'
	show kernels
}

tune() {
	LATENT_TUNE=$out/tiles.txt LATENT_TUNE_SECONDS=60 suite gpu/cuda -test.v -test.run '^TestTune$'
}

training() {
	start
	try train-lora 100 "$bin/latent" bench --device cuda --arch sd15 --train lora --batch 4
	show train-lora
	PYTHONUNBUFFERED=1 try pytorch-train 200 python3 gpu/cuda/bench.py train
	show pytorch-train
	try train-lora-checkpoint 100 "$bin/latent" bench --device cuda --arch sd15 --train lora --batch 4 --checkpoint
	try train-full 100 "$bin/latent" bench --device cuda --arch sd15 --train full --batch 4
	show train-lora-checkpoint train-full
}

export -f suite sanitize hundred tune
case ${1:-} in
build | correct | speed | training) "$1" ;;
*) sed -n '2,11p' "$0" | cut -c3- ;;
esac
