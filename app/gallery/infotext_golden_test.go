package gallery

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/infotext_ours.json anew")

// A reading is a text and what Python's re and json find in it.
type reading struct {
	Text, Prompt, Negative string
	Values, Hashes         map[string]string
}

func readings(t *testing.T) (theirs, ours []reading) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "infotext_golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct{ Theirs, Ours []reading }
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	return golden.Theirs, golden.Ours
}

func TestReadsInfotextAsPythonDoes(t *testing.T) {
	theirs, _ := readings(t)
	for _, want := range theirs {
		r := ParseRecipe(want.Text)
		got := reading{Text: want.Text, Prompt: r.Prompt, Negative: r.Negative, Values: map[string]string{}}
		for _, p := range r.line() {
			got.Values[p.Key] = p.Value
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", want.Text, diff)
		}
	}
	if len(theirs) < 50 {
		t.Errorf("only %d texts", len(theirs))
	}
}

func TestPythonReadsOurInfotext(t *testing.T) {
	var recipes []Recipe
	var texts []string
	for _, s := range nastyTexts {
		if len(s) > 1000 {
			continue
		}
		r := full(s, nastyTexts[len(texts)/2])
		recipes = append(recipes, r)
		texts = append(texts, r.String())
	}
	path := filepath.Join("testdata", "infotext_ours.json")
	if *update {
		data, err := json.MarshalIndent(texts, "", "")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Skip("now run testdata/make_infotext_golden.py")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var read []string // what Python was given
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(read, texts); diff != "" {
		t.Fatalf("texts changed: run with -update (-golden +got):\n%s", diff)
	}
	_, ours := readings(t)
	if len(ours) != len(texts) {
		t.Fatalf("%d golden texts, want %d", len(ours), len(texts))
	}
	for i, got := range ours {
		r := recipes[i]
		for _, p := range r.line() {
			if value, ok := got.Values[p.Key]; !ok || value != p.Value {
				t.Errorf("%q: Python reads %s as %q, want %q", r.Prompt, p.Key, value, p.Value)
			}
		}
		hashes := map[string]string{}
		for _, p := range r.Hashes {
			hashes[p.Key] = p.Value
		}
		if diff := cmp.Diff(hashes, got.Hashes); diff != "" {
			t.Errorf("%q: hashes (-want +got):\n%s", r.Prompt, diff)
		}
		for _, p := range []struct{ exact, want, got string }{
			{exactPrompt, r.Prompt, got.Prompt}, {exactNegative, r.Negative, got.Negative},
		} {
			if exact, ok := got.Values[p.exact]; ok {
				p.got = exact
			}
			if p.got != p.want {
				t.Errorf("Python reads %q, want %q", p.got, p.want)
			}
		}
	}
}
