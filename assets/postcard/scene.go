package postcard

// Kind is a kind of background.
type Kind uint8

// Kinds of background: one plain colour, a vertical gradient of two, or a
// simple landscape.
const (
	Plain Kind = iota
	Graded
	Sky
	Hills
	Sea
	Night
	Sunset
	Snow
	Desert
	endOfKinds
)

// Background is what lies behind the objects.
type Background struct {
	Kind   Kind
	Top    Colour // of Plain, and the upper of Graded
	Bottom Colour // the lower of Graded
}

// landscapeColours has the colours that a person would say each landscape has.
var landscapeColours = [endOfKinds][]Colour{
	Sky:    {Blue, Turquoise},
	Hills:  {Green, Blue},
	Sea:    {Blue, Turquoise},
	Night:  {Black, Blue},
	Sunset: {Orange, Purple, Pink},
	Snow:   {White, Blue},
	Desert: {Yellow, Orange, Blue},
}

// has reports whether c is among the background's colours.
func (b Background) has(c Colour) bool {
	switch b.Kind {
	case Plain:
		return b.Top == c
	case Graded:
		return b.Top == c || b.Bottom == c
	}
	for _, own := range landscapeColours[b.Kind] {
		if own == c {
			return true
		}
	}
	return false
}

// Place is where an object stands.
type Place uint8

// Places, in reading order.
const (
	TopLeft Place = iota
	Top
	TopRight
	Left
	Centre
	Right
	BottomLeft
	Bottom
	BottomRight
)

// column and row are 0, 1 or 2: left, middle, right and top, middle, bottom.
func (p Place) column() int { return int(p) % 3 }
func (p Place) row() int    { return int(p) / 3 }

// Size is a class of object sizes.
type Size uint8

// Sizes of an object's longer side: 42–50, 58–70 and 82–98 pixels of 128.
const (
	Small Size = iota
	Medium
	Large
)

// sides has the longer sides of each size class in pixels of a 128-pixel
// picture. They are few, so that every scaled glyph can be kept.
var sides = [...][]int{
	Small:  {42, 46, 50},
	Medium: {58, 62, 66, 70},
	Large:  {82, 86, 90, 94, 98},
}

// Item is an object in a scene.
type Item struct {
	Object int // index into Objects
	Place  Place
	Size   Size

	side int     // longer side in pixels of 128
	u, v float32 // position within the free width and height, 0 to 1
}

// Scene is what a postcard shows.
type Scene struct {
	Background Background
	Items      [2]Item
	Count      int // of items: 1 or 2
}

// drawScene draws a scene of the first n objects that shows no held-out pair.
func (r *rng) drawScene(n int) Scene {
	var s Scene
	s.Count = 1
	if r.chance(0.18) {
		s.Count = 2
	}
	s.Items[0].Object = r.intn(n)
	if s.Count == 2 {
		// Any of the other objects.
		s.Items[1].Object = (s.Items[0].Object + 1 + r.intn(n-1)) % n
	}
	for {
		s.Background = r.drawBackground()
		if !s.heldOut() {
			break
		}
	}
	if s.Count == 2 {
		r.arrangeTwo(&s)
	} else {
		r.arrangeOne(&s)
	}
	return s
}

func (r *rng) drawBackground() Background {
	switch kind := r.unit(); {
	case kind < 0.55:
		return Background{Kind: Plain, Top: r.drawColour()}
	case kind < 0.70:
		top := r.drawColour()
		step := 1 + r.intn(paletteSize-1)
		bottom := Colour((int(top)-1+step)%paletteSize + 1)
		return Background{Kind: Graded, Top: top, Bottom: bottom}
	default:
		return Background{Kind: Sky + Kind(r.intn(int(endOfKinds-Sky)))}
	}
}

func (r *rng) drawColour() Colour { return Colour(1 + r.intn(paletteSize)) }

// arrangeOne places a single object: most often large or medium and central, as
// a person expects who says nothing of it.
func (r *rng) arrangeOne(s *Scene) {
	it := &s.Items[0]
	switch u := r.unit(); {
	case u < 0.15:
		it.Size = Small
	case u < 0.55:
		it.Size = Medium
	default:
		it.Size = Large
	}
	it.Place = Centre
	if it.Size == Large {
		if r.chance(0.3) {
			it.Place = pick(r, Top, Left, Right, Bottom)
		}
	} else if r.chance(0.6) {
		it.Place = pick(r, TopLeft, Top, TopRight, Left, Right, BottomLeft, Bottom, BottomRight)
	}
	r.settle(it, s.Background)
}

// arrangeTwo places two objects side by side or, at times, one above the other.
func (r *rng) arrangeTwo(s *Scene) {
	places := [2]Place{Left, Right}
	if r.chance(0.25) {
		places = [2]Place{Top, Bottom}
	}
	for i := range s.Items {
		it := &s.Items[i]
		it.Place = places[i]
		it.Size = Small
		r.settle(it, s.Background)
		it.side = pick(r, 46, 50, 54) // two of 54 fit beside each other
	}
}

// settle draws the item's side and exact position within its class and place.
func (r *rng) settle(it *Item, b Background) {
	it.side = pick(r, sides[it.Size]...)
	fraction := func(third int) float32 { return [...]float32{0.08, 0.5, 0.92}[third] + r.between(-0.06, 0.06) }
	it.u, it.v = fraction(it.Place.column()), fraction(it.Place.row())
	if it.Place.row() == 1 && b.Kind > Sky && b.Kind != Night {
		it.v += 0.15 // stands on the ground rather than in the sky
	}
}
