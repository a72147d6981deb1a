package gallery

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Control is a ControlNet of a recipe. Among a Recipe's Extra it is a pair as
// AUTOMATIC1111's extension writes it:
//
//	ControlNet 0: "Module: canny, Model: edges [0123abcd], Weight: 1, …"
type Control struct {
	Module     string // the preprocessor
	Model      string // with eight digits of its hash, "edges [0123abcd]"
	Weight     float64
	ResizeMode string  // "Crop and Resize"
	Resolution int     // at which the preprocessor ran
	A, B       float64 // its settings; −1: it has none
	Start, End float64 // in shares of the steps
	Exact      bool    // Resolution is that of the picture
	Mode       string  // "Balanced"
}

const (
	controlKey  = "ControlNet "
	usualResize = "Crop and Resize"
	usualMode   = "Balanced"
)

// Pair is c as number i of a Recipe's controls.
func (c Control) Pair(i int) Pair {
	var parts []string
	add := func(key, value string) {
		// Commas and colons would divide it.
		parts = append(parts, key+": "+strings.Map(func(r rune) rune {
			if r == ',' || r == ':' {
				return -1
			}
			return r
		}, value))
	}
	boolean := map[bool]string{true: "True", false: "False"}
	add("Module", c.Module)
	add("Model", c.Model)
	add("Weight", ftoa(c.Weight))
	add("Resize Mode", cmp.Or(c.ResizeMode, usualResize))
	add("Processor Res", strconv.Itoa(c.Resolution))
	if c.A >= 0 {
		add("Threshold A", ftoa(c.A))
	}
	if c.B >= 0 {
		add("Threshold B", ftoa(c.B))
	}
	add("Guidance Start", ftoa(c.Start))
	add("Guidance End", ftoa(c.End))
	add("Pixel Perfect", boolean[c.Exact])
	add("Control Mode", cmp.Or(c.Mode, usualMode))
	return Pair{fmt.Sprint(controlKey, i), strings.Join(parts, ", ")}
}

// Controls are those of a recipe, in their order.
func (r Recipe) Controls() (list []Control) {
	for _, p := range r.Extra {
		if c, ok := p.Control(); ok {
			list = append(list, c)
		}
	}
	return list
}

// Control reads a pair that is one and names its model.
func (p Pair) Control() (c Control, ok bool) {
	number, ok := strings.CutPrefix(p.Key, controlKey)
	if _, err := strconv.ParseUint(number, 10, 16); !ok || err != nil {
		return c, false
	}
	c = Control{Weight: 1, A: -1, B: -1, End: 1}
	for part := range strings.SplitSeq(p.Value, ",") {
		key, value, _ := strings.Cut(part, ":")
		c.set(strings.TrimSpace(key), strings.TrimSpace(value))
	}
	return c, c.Model != "" && c.Model != "None"
}

func (c *Control) set(key, value string) {
	number := func(to *float64) { atof(value, to) }
	switch key {
	case "Module":
		c.Module = value
	case "Model":
		c.Model = value
	case "Weight":
		number(&c.Weight)
	case "Resize Mode":
		c.ResizeMode = value
	case "Processor Res":
		c.Resolution = atoi(value)
	case "Threshold A":
		number(&c.A)
	case "Threshold B":
		number(&c.B)
	case "Guidance Start":
		number(&c.Start)
	case "Guidance End":
		number(&c.End)
	case "Pixel Perfect":
		c.Exact = value == "True"
	case "Control Mode":
		c.Mode = value
	}
}

// Name is the model's without its hash, which ends it in brackets.
func (c Control) Name() (name, hash string) {
	name, rest, ok := strings.Cut(c.Model, " [")
	if hash, closed := strings.CutSuffix(rest, "]"); ok && closed {
		return name, hash
	}
	return c.Model, ""
}

// Unlike says what of c is done in another way here; "": nothing.
func (c Control) Unlike() string {
	switch {
	case c.ResizeMode != "" && c.ResizeMode != usualResize && c.ResizeMode != "Inner Fit (Scale to Fit)" && c.ResizeMode != "Scale to Fit (Inner Fit)":
		return "resize mode " + c.ResizeMode
	case c.Mode != "" && c.Mode != usualMode:
		return "control mode " + c.Mode
	}
	return ""
}
