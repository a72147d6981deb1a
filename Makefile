# make run and make test are all that a fresh Debian or Ubuntu needs: they install
# the system packages that are missing. Where Go is missing they take the system's,
# which fetches the version that go.mod asks for, if it is 1.21 or newer.

GO      ?= go
TOOLS   := gcc g++ libc6-dev pkg-config
ONEDNN  := libdnnl-dev
WINDOW  := libgl-dev libxcursor-dev libxrandr-dev libxinerama-dev libxi-dev libxxf86vm-dev
MINGW   := gcc-mingw-w64-x86-64-posix zip
FONT    := fonts-noto-color-emoji
DISPLAY_TEST := xvfb xdotool openbox xclip libgl1-mesa-dri
PICTURE := out/first.png

# Without oneDNN the program is built all the same, and computes in float32 by its own
# kernels; without the window's libraries all but the window is tested. These are found out when a
# recipe runs: after the set-up.
nodnnl   = $(shell echo '\#include <dnnl.h>' | gcc -E - >/dev/null 2>&1 || echo nodnnl)
nowindow = $(shell pkg-config --exists gl xcursor xrandr xinerama xi xxf86vm || echo headless)
tags     = -tags "$(strip $(1) $(nodnnl) $(cuda))"

# GPU support needs no CUDA toolkit: gpu/cuda has a header of its own and an empty
# libcuda.a, and the program looks for the driver when it runs. Where there is a
# toolkit or a driver's libcuda.so they must come before those, which costs one
# build of all that uses cgo.
ifneq ($(filter Linux-x86_64 Linux-aarch64,$(shell uname -sm | tr ' ' -)),)
cuda    := cuda
toolkit := $(wildcard /usr/local/cuda*/include/cuda.h /opt/cuda/include/cuda.h /usr/local/cuda*/lib64/libcuda.so /opt/cuda/lib64/libcuda.so /usr/lib/*/libcuda.so /usr/lib64/libcuda.so)
ifeq ($(toolkit),)
export C_INCLUDE_PATH := $(CURDIR)/gpu/cuda/include$(addprefix :,$(C_INCLUDE_PATH))
export LIBRARY_PATH   := $(CURDIR)/gpu/cuda/lib$(addprefix :,$(LIBRARY_PATH))
else
export CGO_CFLAGS  := -O2 -g -I$(CURDIR)/gpu/cuda/include $(CGO_CFLAGS)
export CGO_LDFLAGS := -O2 -g -L$(CURDIR)/gpu/cuda/lib $(CGO_LDFLAGS)
endif
endif

.PHONY: build package package-windows run test test-cuda headless bench train-postcard setup setup-headless setup-test setup-windows clean

build: setup
	$(GO) build $(call tags) -o bin/latent ./app

headless: setup-headless
	$(GO) build $(call tags,headless) -o bin/latent-headless ./app

ifneq ($(strip $(DISPLAY)$(WAYLAND_DISPLAY)),)
run: build
	bin/latent
else
run: headless
	@echo "There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set), so no window can open."
	@echo "Painting a picture from the command line instead:"
	@mkdir -p $(dir $(PICTURE))
	bin/latent-headless generate --prompt "a large fox on a blue background" --seed 1 --out $(PICTURE)
	@echo "The picture is $(CURDIR)/$(PICTURE)"
endif

test: setup-test
	$(GO) vet $(call tags,$(nowindow)) ./...
	$(GO) test $(call tags,$(nowindow)) -timeout 20m ./...

# Runs the models' tests too on the GPU's kernels, as the stand-in driver of
# gpu/cuda/standin acts them out on the CPU.
test-cuda: setup-headless
	LATENT_CUDA_DRIVER=$$($(GO) run ./gpu/cuda/standin/build) $(GO) test $(call tags,headless) -count=1 ./gpu/... ./unet ./vae ./textencoder ./app/pipeline
	LATENT_CUDA_DRIVER=$$($(GO) run ./gpu/cuda/standin/build) $(GO) test $(call tags,headless) -count=1 -run BenchOnCUDA ./app/cli

bench: headless
	bin/latent-headless bench

# Trains the built-in model, which takes hours, or goes on with it. The result
# replaces assets/model; assets/postcard/MODEL_CARD.md says how good it must be.
train-postcard: headless
	$(call install,$(FONT))
	bin/latent-headless train assets/postcard/recipe.toml $(if $(wildcard out/postcard/.train),--resume)
	cd out/postcard && cp -r model_index.json tokenizer text_encoder unet vae scheduler $(CURDIR)/assets/model/

# A tarball to unpack into /usr/local or ~/.local: program, icon, desktop entry and
# MIME type, and the libraries that not every desktop has. DT_RPATH, unlike the newer
# DT_RUNPATH, holds for the libraries that those need too.
VERSION = $(shell sed -n 's/^Version = "\(.*\)"/\1/p' FyneApp.toml)
NAME    = latent-$(VERSION)-linux-$(shell $(GO) env GOARCH)

package: setup
	rm -rf out/package && mkdir -p out/package/$(NAME)/bin
	$(GO) build $(call tags) -ldflags="-s -w -extldflags '-Wl,--disable-new-dtags,-rpath,\$$ORIGIN/../lib/latent'" -o out/package/$(NAME)/bin/latent ./app
	install -Dm644 assets/icon.png out/package/$(NAME)/share/icons/hicolor/512x512/apps/app.latent.Latent.png
	install -Dm644 assets/latent.desktop out/package/$(NAME)/share/applications/app.latent.Latent.desktop
	install -Dm644 assets/latent-mime.xml out/package/$(NAME)/share/mime/packages/app.latent.Latent.xml
	install -Dm644 LICENSE out/package/$(NAME)/share/doc/latent/LICENSE
	$(GO) run ./assets/bundle $(call tags) out/package/$(NAME)
	tar -C out/package --owner=0 --group=0 --sort=name -czf out/$(NAME).tar.gz $(NAME)
	@echo "The package is out/$(NAME).tar.gz; unpack it with: tar --strip-components=1 -C ~/.local -xzf out/$(NAME).tar.gz"

# A zip for Windows, made by mingw: the window, and beside it a program for the command
# line, which shells wait for, as they do not for a program of the window. Both are one
# file each, without oneDNN. gpu/host/kernels.h says what the assembler is asked for.
WINDOWS := CC=x86_64-w64-mingw32-gcc CGO_ENABLED=1 GOOS=windows GOARCH=amd64 \
	C_INCLUDE_PATH=$(CURDIR)/gpu/cuda/include \
	CGO_CFLAGS="-O2 -g -DUNALIGNED_MOVES -Wa,-muse-unaligned-vector-move"
ZIP      = latent-$(VERSION)-windows-amd64

package-windows: setup-windows
	rm -rf out/package/$(ZIP) out/$(ZIP).zip && mkdir -p out/package/$(ZIP)
	$(GO) run ./assets/resource out/resource
	x86_64-w64-mingw32-windres -I out/resource -o app/resource_windows_amd64.syso out/resource/latent.rc
	$(WINDOWS) $(GO) build -tags "cuda nodnnl" -ldflags="-s -w -H=windowsgui -extldflags=-static" -o out/package/$(ZIP)/latent.exe ./app
	$(WINDOWS) $(GO) build -tags "cuda headless nodnnl" -ldflags="-s -w -extldflags=-static" -o out/package/$(ZIP)/latent-headless.exe ./app
	cp LICENSE out/package/$(ZIP)/LICENSE.txt
	CC=x86_64-w64-mingw32-gcc $(GO) run ./assets/bundle -goos windows -tags "cuda nodnnl" -licences out/package/$(ZIP)/licences libgomp.a libwinpthread.a
	cd out/package && zip -qr ../$(ZIP).zip $(ZIP)
	@echo "The package is out/$(ZIP).zip"

clean:
	rm -rf bin app/*.syso

# $(call install,packages[,what is lost without them]): installs what is missing.
# Packages whose loss is named may fail to install.
define install
@command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || { \
	echo "This is no Debian: if the build fails, install what these packages hold: $(1)"; exit 0; }; \
missing=; for p in $(1); do \
	dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
[ -n "$$missing" ] || exit 0; \
root=; [ "$$(id -u)" = 0 ] || root=sudo; \
echo "Installing$$missing"; \
if [ -n "$$root" ] && ! command -v sudo >/dev/null; then false; else \
	$$root apt-get update -q && $$root apt-get install -y --no-install-recommends $$missing; fi || { \
	echo "These packages are missing. Install them with:  sudo apt-get install$$missing"; \
	$(if $(2),echo "Going on without: $(2)",exit 1); }
endef

setup-headless:
	$(call install,$(TOOLS))
	$(if $(shell command -v $(GO)),,$(call install,golang-go))
	@$(GO) version >/dev/null || { echo "Go 1.26 is needed: install it from https://go.dev/dl"; exit 1; }
	$(call install,$(ONEDNN),the program will compute by its own kernels$(comma) in float32)

setup-windows: setup-headless
	$(call install,$(MINGW))

setup: setup-headless
	$(call install,$(WINDOW))

setup-test: setup-headless
	$(call install,$(WINDOW),the window is not tested)
	$(call install,$(FONT),what draws postcards is not tested)
	$(call install,$(DISPLAY_TEST),the program is not driven with mouse and keys)

comma := ,
