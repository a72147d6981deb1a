package library

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/half"
	"latent/gpu/nn"
	"latent/gpu/safetensors"
)

// A model of 8-bit weights with scales is, bit for bit, the model of the numbers
// that they stand for.
func TestQuantisedModel(t *testing.T) {
	f, err := safetensors.Open("testdata/sdxl.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	one := func(name string, x float32) safetensors.Entry {
		data, _ := half.Bytes(safetensors.F32, []float32{x})
		return safetensors.Entry{Name: name, DType: safetensors.F32, Shape: []int{}, Data: data}
	}
	quantised := []safetensors.Entry{
		{Name: ldmUNet + "scaled_fp8", DType: safetensors.F8E4M3, Shape: []int{0}},
		one(ldmUNet+"out.2.scale_input", 3),
	}
	var plain []safetensors.Entry
	scaled := 0
	for i, name := range f.Names() {
		v, _ := f.Get(name)
		n := 1
		for _, d := range v.Shape {
			n *= d
		}
		format := []string{safetensors.F8E4M3, safetensors.F8E5M2}[i%2]
		codes := make([]byte, n)
		for j := range codes {
			codes[j] = byte(i+37*j) & 0xbf // of all sizes below 2, none of them NaN
		}
		scale := float32(1)
		if layer, ok := strings.CutSuffix(name, ".weight"); ok && strings.HasPrefix(name, ldmUNet) {
			scale = 0.37 + float32(i)/64
			quantised = append(quantised, one(layer+scaleEndings[i/2%2], scale))
			scaled++
		}
		quantised = append(quantised, safetensors.Entry{Name: name, DType: format, Shape: v.Shape, Data: codes})
		values, err := half.Float32s(format, codes)
		if err != nil {
			t.Fatal(err)
		}
		for j := range values {
			values[j] *= scale
		}
		data, _ := half.Bytes(safetensors.F32, values)
		plain = append(plain, safetensors.Entry{Name: name, DType: safetensors.F32, Shape: v.Shape, Data: data})
	}
	if scaled < 50 {
		t.Fatalf("%d scales", scaled)
	}
	for _, dtype := range []gpu.DType{gpu.Float32, gpu.BFloat16, gpu.Float16} {
		var got [2]map[string][]byte
		for i, entries := range [][]safetensors.Entry{quantised, plain} {
			path := filepath.Join(t.TempDir(), "x.safetensors")
			if err := safetensors.Write(path, entries, map[string]string{"format": "pt"}); err != nil {
				t.Fatal(err)
			}
			m, err := smallFile(t, path, SDXL, "testdata/sdxl", dtype, Options{})
			if err != nil {
				t.Fatal(err)
			}
			got[i] = allWeights(m)
		}
		for key, want := range got[1] {
			if !bytes.Equal(got[0][key], want) {
				t.Errorf("%v: %s has other values", dtype, key)
			}
		}
	}
}

// A scale may stand in another file than its weights, and what is not one is named.
func TestScales(t *testing.T) {
	parse := func(entries ...safetensors.Entry) Tensors {
		var b bytes.Buffer
		if err := safetensors.WriteTo(&b, entries, map[string]string{"a": "b"}); err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.Parse(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	tensor := func(name, dtype string, data ...byte) safetensors.Entry {
		n := len(data)
		if dtype == safetensors.F16 {
			n /= 2
		}
		return safetensors.Entry{Name: name, DType: dtype, Shape: []int{n}, Data: data}
	}
	weight, two := tensor("a.weight", safetensors.F8E4M3, 0x38, 0xb8), tensor("a.scale_weight", safetensors.F16, 0, 0x40)
	f, err := withScales(join([]Tensors{parse(weight), parse(two, tensor("b.weight_scale", safetensors.F16, 0, 0x40))}))
	if err != nil {
		t.Fatal(err)
	}
	if names := f.Names(); !slices.Equal(names, []string{"a.weight", "b.weight_scale"}) {
		t.Errorf("names %q", names)
	}
	m := nn.NewLinear(1, 2, false)
	dev := device(t)
	if err := nn.Load(m, dev, gpu.Float32, nn.Mapped(f, m, func(string) nn.Place { return nn.Place{Name: "a.weight"} }, nothing)); err == nil {
		t.Error("a vector became a matrix")
	}
	weight.Shape = []int{1, 2}
	if f, err = withScales(parse(weight, two)); err != nil {
		t.Fatal(err)
	}
	m = nn.NewLinear(1, 2, false) // from the matrix the other way round
	err = nn.Load(m, dev, gpu.Float32, nn.Mapped(f, m, func(string) nn.Place { return nn.Place{Name: "a.weight", Transpose: true} }, nothing))
	if err != nil || !slices.Equal(m.Weight.T.Float32s(), []float32{2, -2}) {
		t.Errorf("%v %v, want [2 -2]", err, m.Weight.T.Float32s())
	}
	if Metadata(f)["a"] != "b" {
		t.Error("no metadata")
	}
	for want, scale := range map[string]safetensors.Entry{
		"a.scale_weight: 2 numbers where one scale is supported":          tensor("a.scale_weight", safetensors.F16, 0, 0x40, 0, 0x40),
		"a.scale_weight: +Inf is no scale":                                tensor("a.scale_weight", safetensors.F16, 0, 0x7c),
		"a.scale_weight: 0 is no scale":                                   tensor("a.scale_weight", safetensors.F16, 0, 0),
		`a.weight_scale: "U8" is not a floating-point format`:             tensor("a.weight_scale", safetensors.U8, 1),
		"b.weight_scale: weights of F16 with a scale, which is not suppo": tensor("b.weight_scale", safetensors.F16, 0, 0x40),
	} {
		_, err := withScales(parse(weight, scale, tensor("b.weight", safetensors.F16, 0, 0)))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	// Weights that were not made small may have a scale of 1.
	if f, err := withScales(parse(tensor("b.weight", safetensors.F16, 0, 0), tensor("b.weight_scale", safetensors.F16, 0, 0x3c))); err != nil || len(f.Names()) != 1 {
		t.Error(f, err)
	}
}
