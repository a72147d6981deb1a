package pipeline

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"strconv"
	"strings"

	"latent/app/library"
	"latent/gpu"
	"latent/gpu/safetensors"
	"latent/noise"
)

// State is a picture half made: with the same request and model on the same
// device, Request.Resume goes on from it to the very picture that would have
// come out.
type State struct {
	Pass, Step int // steps done in pass 0 or 1

	request string // what the picture is of: see fingerprint
	rng     []byte
	shape   []int // [1,h,w,C] of each tensor
	tensors map[string][]float32
}

// The tensors are called by list and place in it, the present first.
var lists = []string{"x", "output", "denoised"}

func (h *history) list(name string) *[]*gpu.Tensor {
	switch name {
	case "x":
		return &h.x
	case "output":
		return &h.output
	}
	return &h.denoised
}

func (h *history) save(pass, step int, src noise.Source, request string) *State {
	s := &State{Pass: pass, Step: step, request: request, rng: src.State(), shape: h.x[0].Shape(), tensors: map[string][]float32{}}
	for _, name := range lists {
		for i, t := range *h.list(name) {
			s.tensors[fmt.Sprint(name, ".", i)] = t.Float32s()
		}
	}
	return s
}

// restore gives the history back on dev, and sets src.
func (s *State) restore(dev *gpu.Device, src noise.Source) (*history, error) {
	h := &history{}
	for _, name := range lists {
		for i := range depth {
			if v, ok := s.tensors[fmt.Sprint(name, ".", i)]; ok {
				list := h.list(name)
				*list = append(*list, dev.FromFloat32(v, gpu.Float32, s.shape...))
			}
		}
	}
	return h, src.SetState(s.rng)
}

// fits says why a picture cannot go on from s; a nil State always fits.
func (s *State) fits(r Request, m *library.Model) error {
	if s == nil {
		return nil
	}
	if s.request != r.At(0).fingerprint(m) {
		return errors.New("the half-made picture is of another request or model: begin it anew")
	}
	p := &pass{width: r.Width, height: r.Height}
	if s.Pass == 1 {
		p.width, p.height = r.Hires.Width, r.Hires.Height
	}
	f := m.VAE.Config.Factor()
	if want := []int{1, p.height / f, p.width / f, m.VAE.Config.LatentChannels}; fmt.Sprint(want) != fmt.Sprint(s.shape) {
		return fmt.Errorf("the half-made picture has latents of %v, want %v", s.shape, want)
	}
	return nil
}

// fingerprint is a hash of all that decides a picture.
func (r Request) fingerprint(m *library.Model) string {
	h := sha256.New()
	imgs := []image.Image{r.Init, r.Mask}
	for _, c := range r.Controls {
		imgs = append(imgs, c.Picture)
	}
	for _, img := range imgs {
		if img == nil {
			continue
		}
		b := img.Bounds()
		fmt.Fprintln(h, b)
		for y := b.Min.Y; y < b.Max.Y; y++ {
			for x := b.Min.X; x < b.Max.X; x++ {
				r, g, b, a := img.At(x, y).RGBA()
				binary.Write(h, binary.LittleEndian, [4]uint16{uint16(r), uint16(g), uint16(b), uint16(a)})
			}
		}
	}
	r.Count, r.Preview = 0, 0
	json.NewEncoder(h).Encode(r) // cannot fail: numbers are finite
	fmt.Fprintln(h, m.Name, m.Path, m.DType)
	return hex.EncodeToString(h.Sum(nil))
}

// WriteState writes a half-made picture to a file, which is replaced whole.
func WriteState(path string, s *State) error {
	var entries []safetensors.Entry
	for name, v := range s.tensors {
		data := make([]byte, 0, 4*len(v))
		for _, f := range v {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(f))
		}
		entries = append(entries, safetensors.Entry{Name: name, DType: safetensors.F32, Shape: s.shape, Data: data})
	}
	return safetensors.Write(path, entries, map[string]string{
		"latent_picture": "1", "pass": strconv.Itoa(s.Pass), "step": strconv.Itoa(s.Step),
		"request": s.request, "rng": base64.StdEncoding.EncodeToString(s.rng),
	})
}

// ReadState reads what WriteState wrote.
func ReadState(path string) (*State, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := parseState(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func parseState(f *safetensors.File) (*State, error) {
	meta := f.Metadata()
	if meta["latent_picture"] != "1" {
		return nil, errors.New("this is no half-made picture")
	}
	s := &State{request: meta["request"], tensors: map[string][]float32{}}
	var err [3]error
	s.Pass, err[0] = strconv.Atoi(meta["pass"])
	s.Step, err[1] = strconv.Atoi(meta["step"])
	s.rng, err[2] = base64.StdEncoding.DecodeString(meta["rng"])
	if errors.Join(err[:]...) != nil || s.Pass < 0 || s.Pass > 1 || s.Step < 1 {
		return nil, errors.New("the half-made picture is damaged: begin it anew")
	}
	for _, name := range f.Names() {
		v, _ := f.Get(name)
		list, _, ok := strings.Cut(name, ".")
		if !ok || !slices.Contains(lists, list) || v.DType != safetensors.F32 || len(v.Shape) != 4 || s.shape != nil && fmt.Sprint(s.shape) != fmt.Sprint(v.Shape) {
			return nil, fmt.Errorf("the half-made picture is damaged at %s: begin it anew", name)
		}
		s.shape = v.Shape
		floats := make([]float32, len(v.Data)/4)
		for i := range floats {
			floats[i] = math.Float32frombits(binary.LittleEndian.Uint32(v.Data[4*i:]))
		}
		s.tensors[name] = floats
	}
	if s.tensors["x.0"] == nil {
		return nil, errors.New("the half-made picture holds no latents: begin it anew")
	}
	return s, nil
}
