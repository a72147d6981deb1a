package gallery

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// link returns the node that makes an input, nil if it is a value.
func (g *graph) link(input any) *node {
	pair, ok := input.([]any)
	if !ok || len(pair) != 2 {
		return nil
	}
	return g.nodes[fmt.Sprint(pair[0])]
}

// chain walks from an input to the node that makes it, and on from the input of
// that name there.
func (g *graph) chain(input any, name string) iter.Seq[*node] {
	return func(yield func(*node) bool) {
		seen := map[*node]bool{}
		for n := g.link(input); n != nil && !seen[n]; n = g.link(n.Inputs[name]) {
			seen[n] = true
			if !yield(n) {
				return
			}
		}
	}
}

// valueInputs are the names under which nodes that only hold a value have it.
var valueInputs = []string{"value", "seed", "noise_seed", "int", "float", "number", "text", "string", "Text", "String", "prompt"}

// value returns an input, or what the node holds that is linked there.
func (g *graph) value(n *node, name string) any {
	return g.resolve(n.Inputs[name], name, map[*node]bool{})
}

func (g *graph) resolve(input any, name string, seen map[*node]bool) any {
	n := g.link(input)
	if n == nil {
		if _, list := input.([]any); list {
			return nil
		}
		return input
	}
	if seen[n] {
		return nil
	}
	seen[n] = true
	for _, name := range append([]string{name}, valueInputs...) {
		if v := g.resolve(n.Inputs[name], name, seen); v != nil {
			return v
		}
	}
	return nil
}

func (g *graph) number(n *node, name string) (float64, bool) {
	v, ok := g.value(n, name).(json.Number)
	if !ok {
		return 0, false
	}
	f, err := v.Float64()
	return f, err == nil
}

// sampler returns the sampler next to the saved picture, and the VAE's file on
// the way there, if it is not the model's.
func (g *graph) sampler() (*node, string) {
	ids := slices.SortedFunc(maps.Keys(g.nodes), func(a, b string) int {
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a, b))
	})
	for _, isEnd := range []func(*node) bool{
		func(n *node) bool { return strings.HasPrefix(n.Class, "SaveImage") },
		func(n *node) bool { return strings.HasPrefix(n.Class, "PreviewImage") },
		func(n *node) bool { return n.Inputs["images"] != nil || n.Inputs["image"] != nil },
		func(n *node) bool { return n.Inputs["samples"] != nil },
	} {
		for _, isSampler := range []func(*node) bool{ofSamplerClass, withSamplerInputs} {
			seen := map[*node]bool{}
			for _, id := range ids {
				if !isEnd(g.nodes[id]) {
					continue
				}
				if s, vae := g.upstream(g.nodes[id], seen, isSampler); s != nil {
					return s, vae
				}
			}
		}
	}
	return nil, ""
}

func ofSamplerClass(n *node) bool {
	return strings.Contains(n.Class, "KSampler") && n.Class != "KSamplerSelect" || strings.HasPrefix(n.Class, "SamplerCustom")
}

func withSamplerInputs(n *node) bool {
	_, seed := n.Inputs["seed"]
	_, name := n.Inputs["sampler_name"]
	return seed && name
}

// upstream finds the nearest sampler that start depends on, past no node that
// was seen before.
func (g *graph) upstream(start *node, seen map[*node]bool, isSampler func(*node) bool) (s *node, vae string) {
	seen[start] = true
	for queue := []*node{start}; len(queue) > 0; queue = queue[1:] {
		n := queue[0]
		if isSampler(n) {
			return n, vae
		}
		if loader := g.link(n.Inputs["vae"]); loader != nil && vae == "" {
			vae, _ = loader.Inputs["vae_name"].(string)
		}
		for _, name := range slices.Sorted(maps.Keys(n.Inputs)) {
			if next := g.link(n.Inputs[name]); next != nil && !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	return nil, ""
}
