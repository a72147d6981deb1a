package postcard

import (
	"slices"
	"strings"
)

// MaxCaptionTokens is the most tokens a caption has when every word and every
// comma is one token; begin and end marks come on top.
const MaxCaptionTokens = 20

// phrases says a thing in a sentence and as a bare tag: "a fox at night",
// "fox, night sky".
type phrases struct{ sentence, tag []string }

var (
	intros = []string{"a picture of ", "a drawing of ", "a photo of ", "an image of ", "a postcard of "}

	sizeWords = [...][]string{
		Small:  {"small", "small", "little", "tiny"},
		Medium: {"medium"},
		Large:  {"large", "big", "big", "huge"},
	}

	placePhrases = [...]phrases{
		TopLeft:     {[]string{"in the top left corner", "at the top left"}, []string{"top left"}},
		Top:         {[]string{"at the top"}, []string{"top"}},
		TopRight:    {[]string{"in the top right corner", "at the top right"}, []string{"top right"}},
		Left:        {[]string{"on the left", "on the left side"}, []string{"left"}},
		Centre:      {[]string{"in the middle", "in the centre", "in the center"}, []string{"middle", "centre", "center"}},
		Right:       {[]string{"on the right", "on the right side"}, []string{"right"}},
		BottomLeft:  {[]string{"in the bottom left corner", "at the bottom left"}, []string{"bottom left"}},
		Bottom:      {[]string{"at the bottom"}, []string{"bottom"}},
		BottomRight: {[]string{"in the bottom right corner", "at the bottom right"}, []string{"bottom right"}},
	}

	// In these, 1 stands for the (upper) colour, 2 for the lower one, and @ for
	// the article of what follows.
	backgroundPhrases = [...]phrases{
		Plain: {[]string{"on @ 1 background", "on @ 1 background", "on 1", "with @ 1 background"}, []string{"1 background"}},
		Graded: {[]string{"on @ 1 and 2 background", "on @ 1 to 2 background", "on a background from 1 to 2"},
			[]string{"1 to 2 background", "1 and 2 background", "1 to 2"}},
		Sky:    {[]string{"in the sky", "in the clouds", "under a blue sky"}, []string{"sky", "blue sky", "sky with clouds", "cloudy sky"}},
		Hills:  {[]string{"on green hills", "in the hills", "on a meadow"}, []string{"green hills", "hills", "meadow"}},
		Sea:    {[]string{"by the sea", "at sea", "on the ocean"}, []string{"sea", "blue sea", "ocean"}},
		Night:  {[]string{"at night", "under the stars", "in the night sky"}, []string{"night", "night sky", "starry night"}},
		Sunset: {[]string{"at sunset", "in the evening", "under an evening sky"}, []string{"sunset", "evening sky"}},
		Snow:   {[]string{"in the snow", "in winter", "on a snowy hill"}, []string{"snow", "winter", "snowy hills"}},
		Desert: {[]string{"in the desert", "on the sand"}, []string{"desert", "sand"}},
	}

	sideBySide = []string{" and ", " and ", " next to ", " beside "}
	above      = []string{" above ", " over ", " on top of "}
	below      = []string{" below ", " under "}
)

// How often a caption says what: the unusual is named, the usual left to be
// expected.
var (
	sayBackground float32 = 0.88
	saySize               = [...]float32{Small: 0.75, Medium: 0.08, Large: 0.3}
	sayPlace      float32 = 0.8
	sayCentre     float32 = 0.15
	sayColour     float32 = 0.15
	saySynonym    float32 = 0.2
	sayIntro      float32 = 0.06
)

// caption describes s in varying words. With full set, the background is always
// named.
func (r *rng) caption(s *Scene, full bool) string {
	if s.Count == 1 && !full && r.chance(0.04) {
		return r.name(s.Items[0].Object)
	}
	background := ""
	tags := s.Count == 1 && r.chance(0.22)
	switch {
	case !full && !r.chance(sayBackground):
	case tags || r.chance(0.25):
		background = r.background(s.Background, backgroundPhrases[s.Background.Kind].tag)
		if !tags && r.chance(0.3) {
			return background + ", " + r.subject(s)
		}
		background = ", " + background
	default:
		background = " " + r.background(s.Background, backgroundPhrases[s.Background.Kind].sentence)
	}
	if tags {
		return r.tags(s.Items[0]) + background
	}
	return r.subject(s) + background
}

// subject describes the objects: "a big fox on the left".
func (r *rng) subject(s *Scene) string {
	if s.Count == 2 {
		return r.two(s)
	}
	it := s.Items[0]
	place := r.place(it)
	text := withArticle(r.noun(it), objects[it.Object].Plural)
	if place < 0 {
		if r.chance(sayIntro) {
			return pick(r, intros...) + text
		}
		return text
	}
	return text + " " + pick(r, placePhrases[place].sentence...)
}

// two describes two objects: "a fox next to a dog".
func (r *rng) two(s *Scene) string {
	first, second := s.Items[0].Object, s.Items[1].Object
	sideways := s.Items[0].Place == Left
	swap := r.chance(0.5)
	if swap {
		first, second = second, first
	}
	a := withArticle(r.name(first), objects[first].Plural)
	b := withArticle(r.name(second), objects[second].Plural)
	switch {
	case sideways && r.chance(0.4):
		places := [2]string{" on the left", " on the right"}
		if swap {
			places[0], places[1] = places[1], places[0]
		}
		return a + places[0] + " and " + b + places[1]
	case sideways:
		return a + pick(r, sideBySide...) + b
	case swap:
		return a + pick(r, below...) + b
	default:
		return a + pick(r, above...) + b
	}
}

// tags lists the object's attributes without grammar: "big fox, left".
func (r *rng) tags(it Item) string {
	text := r.noun(it)
	if place := r.place(it); place >= 0 {
		text += ", " + pick(r, placePhrases[place].tag...)
	}
	return text
}

// place returns the place to be named, or −1 to leave it out.
func (r *rng) place(it Item) int {
	p := sayPlace
	if it.Place == Centre {
		p = sayCentre
	}
	if r.chance(p) {
		return int(it.Place)
	}
	return -1
}

// noun is the object's name with what adjectives are said: "big orange fox".
func (r *rng) noun(it Item) string {
	text := r.name(it.Object)
	if c := objects[it.Object].Colour; c != NoColour && r.chance(sayColour) {
		text = r.colour(c) + " " + text
	}
	if r.chance(saySize[it.Size]) {
		text = pick(r, sizeWords[it.Size]...) + " " + text
	}
	return text
}

func (r *rng) name(object int) string {
	o := &objects[object]
	if len(o.Aliases) > 0 && r.chance(saySynonym) {
		return pick(r, o.Aliases...)
	}
	return o.Name
}

func (r *rng) colour(c Colour) string {
	if s := shades[c].synonym; s != "" && r.chance(saySynonym) {
		return s
	}
	return shades[c].name
}

// background fills the colours into one of the templates.
func (r *rng) background(b Background, templates []string) string {
	text := pick(r, templates...)
	if b.Kind > Graded {
		return text
	}
	top := r.colour(b.Top)
	text = strings.Replace(text, "@ 1", withArticle(top, false), 1)
	text = strings.Replace(text, "1", top, 1)
	if b.Kind == Graded {
		text = strings.Replace(text, "2", r.colour(b.Bottom), 1)
	}
	return text
}

// withArticle puts "a" or "an" before a noun phrase unless it is plural.
func withArticle(noun string, plural bool) string {
	switch {
	case plural:
		return noun
	case strings.HasPrefix(noun, "uni"): // spoken with a consonant
		return "a " + noun
	case strings.IndexByte("aeiou", noun[0]) >= 0:
		return "an " + noun
	}
	return "a " + noun
}

// Words returns, sorted, every word that captions use, for any number of
// objects, and the comma: the vocabulary of the built-in model's tokenizer. No
// word is listed that the training pictures do not explain.
func Words() []string {
	texts := []string{"a an and on the left right ,"}
	add := func(lists ...[]string) {
		for _, l := range lists {
			texts = append(texts, l...)
		}
	}
	for _, o := range objects {
		add([]string{o.Name}, o.Aliases)
	}
	for _, s := range shades {
		add([]string{s.name, s.synonym})
	}
	add(intros, sideBySide, above, below)
	add(sizeWords[:]...)
	for _, p := range append(placePhrases[:], backgroundPhrases[:]...) {
		add(p.sentence, p.tag)
	}
	words := strings.Fields(strings.Join(texts, " "))
	words = slices.DeleteFunc(words, func(w string) bool { return strings.ContainsAny(w, "12@") })
	slices.Sort(words)
	return slices.Compact(words)
}
