package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"latent/app/pictures"
	"latent/app/pictures/hint"
	"latent/app/pipeline"
)

// controls are the flags of generate for ControlNets.
type controls struct {
	controls      []controlFlag
	preprocessors []preprocessorFlag
}

type controlFlag struct {
	pipeline.Control
	picture string // file; "": that of --init
}

type preprocessorFlag struct {
	name string
	a, b float64
}

func addControls(f flags, req *pipeline.Request) *controls {
	c := &controls{}
	f.Func("control", "`NET:FILE:W:FROM-TO`: go by a picture as a ControlNet of --control-dir, or a path, sees it, with its strength (1) and the share of the steps (0-1); without FILE by --init; may be given several times", func(s string) error {
		one, err := parseControl(s)
		c.controls = append(c.controls, one)
		return err
	})
	f.Func("control-preprocessor", "`NAME:A:B`: what the net is shown of the picture: "+preprocessorHelp()+"; one for all, or one for each --control", func(s string) error {
		p, err := parsePreprocessor(s)
		c.preprocessors = append(c.preprocessors, p)
		return err
	})
	f.StringVar(&req.ControlFolder, "control-dir", "", "`DIR`: where ControlNets are looked for by their names")
	return c
}

func preprocessorHelp() string {
	var all []string
	for _, p := range hint.All() {
		s := p.Name
		for _, set := range p.Settings {
			s += fmt.Sprintf(":%g", set.Default)
		}
		all = append(all, s+" ("+p.What+")")
	}
	return strings.Join(all, ", ")
}

// apply completes the request, with the pictures read.
func (c *controls) apply(req *pipeline.Request) error {
	if n, k := len(c.preprocessors), len(c.controls); n > 1 && n != k || n > 0 && k == 0 {
		return badUsage("generate: %d --control-preprocessor for %d --control: give one for all, or one for each", n, k)
	}
	for i, one := range c.controls {
		if len(c.preprocessors) > 0 {
			p := c.preprocessors[min(i, len(c.preprocessors)-1)]
			one.Preprocessor, one.A, one.B = p.name, p.a, p.b
		}
		switch {
		case one.picture != "":
			img, err := pictures.Load(one.picture)
			if err != nil {
				return fmt.Errorf("--control %w", err)
			}
			one.Picture = img
		case req.Init == nil:
			return badUsage("generate: --control %s: name a picture, %s:FILE, or one to begin at with --init", one.Model, one.Model)
		}
		req.Controls = append(req.Controls, one.Control)
	}
	return nil
}

// parseControl reads NET, NET:FILE, NET:FILE:WEIGHT or NET:FILE:WEIGHT:FROM-TO.
func parseControl(s string) (c controlFlag, err error) {
	parts := splitPaths(s)
	c.Model = parts[0]
	bad := c.Model == "" || len(parts) > 4
	number := func(text string) float64 {
		v, err := strconv.ParseFloat(text, 64)
		bad = bad || err != nil || math.IsNaN(v) || math.IsInf(v, 0)
		return v
	}
	if len(parts) > 1 {
		c.picture = parts[1]
	}
	if len(parts) > 2 {
		c.Weight = number(parts[2])
		bad = bad || c.Weight == 0 // which leaves it out
	}
	if len(parts) > 3 {
		var err error
		c.Start, c.End, err = pipeline.ParseInterval(parts[3])
		bad = bad || err != nil
	}
	if bad {
		return c, fmt.Errorf("want NET:FILE:STRENGTH:FROM-TO, such as canny:house.png:0.8:0-0.7")
	}
	return c, nil
}

// splitPaths cuts s at its colons, but for those of a drive's letter.
func splitPaths(s string) (parts []string) {
	for part := range strings.SplitSeq(s, ":") {
		if n := len(parts); n > 0 && len(parts[n-1]) == 1 && (strings.HasPrefix(part, `\`) || strings.HasPrefix(part, "/")) {
			parts[n-1] += ":" + part
			continue
		}
		parts = append(parts, part)
	}
	return parts
}

// parsePreprocessor reads NAME, NAME:A or NAME:A:B.
func parsePreprocessor(s string) (p preprocessorFlag, err error) {
	parts := strings.Split(s, ":")
	p.name = parts[0]
	found, err := hint.Find(p.name)
	if err != nil || p.name == "" {
		return p, fmt.Errorf("choose one of %s", strings.Join(hint.Names(), ", "))
	}
	to := []*float64{&p.a, &p.b}
	if len(parts) > 1+len(found.Settings) {
		return p, fmt.Errorf("%s has %d settings", p.name, len(found.Settings))
	}
	for i, text := range parts[1:] {
		if *to[i], err = strconv.ParseFloat(text, 64); err != nil || *to[i] == 0 {
			return p, fmt.Errorf("%q: the %s is a number above 0", text, found.Settings[i].Name)
		}
	}
	return p, found.Check(p.a, p.b)
}
