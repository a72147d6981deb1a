package textencoder

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// inTurns are n spans of one step each.
func inTurns(n int, texts ...string) []Span {
	var out []Span
	for i := range n {
		out = append(out, Span{i + 1, texts[i%len(texts)]})
	}
	return out
}

func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		prompt string
		want   []Span
	}{
		// The examples that AUTOMATIC1111's parser documents itself with.
		{"test", []Span{{10, "test"}}},
		{"a [b:3]", []Span{{3, "a "}, {10, "a b"}}},
		{"a [b: 3]", []Span{{3, "a "}, {10, "a b"}}},
		{"a [[[b]]:2]", []Span{{2, "a "}, {10, "a [[b]]"}}},
		{"[(a:2):3]", []Span{{3, ""}, {10, "(a:2)"}}},
		{"a [b : c : 1] d", []Span{{1, "a b  d"}, {10, "a  c  d"}}},
		{"a[b:[c:d:2]:1]e", []Span{{1, "abe"}, {2, "ace"}, {10, "ade"}}},
		{"a [unbalanced", []Span{{10, "a [unbalanced"}}},
		{"a [b:.5] c", []Span{{5, "a  c"}, {10, "a b c"}}},
		{"((a][:b:c [d:3]", []Span{{3, "((a][:b:c "}, {10, "((a][:b:c d"}}},
		{"[a|(b:1.1)]", inTurns(10, "a", "(b:1.1)")},
		{"[fe|]male", inTurns(10, "female", "male")},
		{"[fe|||]male", []Span{{1, "female"}, {4, "male"}, {5, "female"}, {8, "male"}, {9, "female"}, {10, "male"}}},
		// Its syntax at the edges.
		{"", []Span{{10, ""}}},
		{"a [b::4] c", []Span{{4, "a b c"}, {10, "a  c"}}},
		{"a [b:c:0]", []Span{{10, "a c"}}},
		{"a [b:c:-1]", []Span{{10, "a c"}}},
		{"a [b:c:99]", []Span{{10, "a b"}}},
		{"a [b:c:1.0]", []Span{{10, "a b"}}},
		{"a [b:c:+2e0 ]", []Span{{2, "a b"}, {10, "a c"}}},
		{"a [b:c:5e-1]", []Span{{10, "a c"}}},
		{"a [b:c:x]", []Span{{10, "a [b:c:x]"}}},
		{"a [b:c:d:5]", []Span{{10, "a [b:c:d:5]"}}},
		{"a (b|c) [d:5]", []Span{{10, "a (b|c) [d:5]"}}},
		{"a | [d:5]", []Span{{10, "a | [d:5]"}}},
		{`a \[b:c:5\] [\|:\::5]`, []Span{{5, `a \[b:c:5\] \|`}, {10, `a \[b:c:5\] \:`}}},
		{`[a:b:5] \`, []Span{{10, `[a:b:5] \`}}},
		{"[a:b:2][c:d:4]", []Span{{2, "ac"}, {4, "bc"}, {10, "bd"}}},
		{"[[a|b]:c:3]", []Span{{1, "a"}, {2, "b"}, {3, "a"}, {10, "c"}}},
	} {
		if got := Schedule(c.prompt, 10); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q\n got %v\nwant %v", c.prompt, got, c.want)
		}
	}
	landscape := "fantasy landscape with a [mountain:lake:0.25] and [an oak:a christmas tree:0.75][ in foreground::0.6][ in background:0.25] [shoddy:masterful:0.5]"
	want := []Span{
		{25, "fantasy landscape with a mountain and an oak in foreground shoddy"},
		{50, "fantasy landscape with a lake and an oak in foreground in background shoddy"},
		{60, "fantasy landscape with a lake and an oak in foreground in background masterful"},
		{75, "fantasy landscape with a lake and an oak in background masterful"},
		{100, "fantasy landscape with a lake and a christmas tree in background masterful"},
	}
	if got := Schedule(landscape, 100); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestScheduleSecondPass(t *testing.T) {
	for _, c := range []struct {
		prompt string
		want   []Span
	}{
		{"a [b:.5] c", []Span{{10, "a b c"}}},
		{"a [b:1.5] c", []Span{{5, "a  c"}, {10, "a b c"}}},
		{"a [b:13] c", []Span{{3, "a  c"}, {10, "a b c"}}},
		{"a [b:3] c", []Span{{10, "a b c"}}},
	} {
		if got := ScheduleSecondPass(c.prompt, 10, 10); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q\n got %v\nwant %v", c.prompt, got, c.want)
		}
	}
}

// Brackets in brackets take no time and no stack without bound.
func TestScheduleDeep(t *testing.T) {
	for _, prompt := range []string{strings.Repeat("[", 1e5), strings.Repeat("[a|", 1e5), strings.Repeat("(", 1e5) + strings.Repeat(")", 1e5)} {
		if got := Schedule(prompt, 10); len(got) != 1 || got[0] != (Span{10, prompt}) {
			t.Errorf("%.9q: %d spans", prompt, len(got))
		}
	}
}

// The spans cover all steps in order, and their texts use only what the prompt has.
func FuzzSchedule(f *testing.F) {
	for _, s := range promptSeeds {
		f.Add(s, uint8(7))
	}
	f.Fuzz(func(t *testing.T, prompt string, n uint8) {
		steps := 1 + int(n)%50
		for _, spans := range [][]Span{Schedule(prompt, steps), ScheduleSecondPass(prompt, 5, steps)} {
			last := 0
			for _, s := range spans {
				if s.Until <= last || len(s.Prompt) > len(prompt) {
					t.Fatalf("%q: %v", prompt, spans)
				}
				last = s.Until
			}
			if last != steps {
				t.Fatalf("%q: %v", prompt, spans)
			}
		}
		if !strings.ContainsAny(prompt, "[") && len(Schedule(prompt, steps)) != 1 {
			t.Fatalf("%q changes", prompt)
		}
	})
}

func ExampleSchedule() {
	for _, s := range Schedule("a [red:blue:0.4] [cat|dog]", 5) {
		fmt.Println(s.Until, s.Prompt)
	}
	// Output:
	// 1 a red cat
	// 2 a red dog
	// 3 a blue cat
	// 4 a blue dog
	// 5 a blue cat
}
