package postcard

// pairsPerObject is how many colours each object is never shown with.
const pairsPerObject = 2

// heldOutColours returns the colours that object i is never shown with. Taken
// over the list, every colour is held out about equally often, and the distance
// between an object's two colours varies.
func heldOutColours(i int) [pairsPerObject]Colour {
	const stride = 7 // coprime to the palette's size
	// At these distances no pair joins blue to a colour of the sunset, which
	// would leave an object without any landscape.
	apart := [...]int{3, 5, 6, 7, 9}
	first := (stride*i + 3) % paletteSize
	second := (first + apart[i%len(apart)]) % paletteSize
	return [...]Colour{Colour(1 + first), Colour(1 + second)}
}

// heldOut reports whether the scene shows an object with a colour held out.
func (s *Scene) heldOut() bool {
	for _, it := range s.Items[:s.Count] {
		for _, c := range heldOutColours(it.Object) {
			if s.Background.has(c) {
				return true
			}
		}
	}
	return false
}

// Caption is a caption and the scene that it describes.
type Caption struct {
	Text  string
	Scene Scene
}

// HeldOut returns n captions of one object on a plain background, each of a pair
// of object and colour that no sample ever shows. The order is fixed: it goes
// round the objects, then round their colours, then on with other wordings,
// sizes and places; every caption names object and background.
func (g *Generator) HeldOut(n int) []Caption { return heldOutCaptions(g.count, n) }

func heldOutCaptions(objects, n int) []Caption {
	captions := make([]Caption, n)
	for k := range captions {
		r := newRNG(uint64(k), purposeHeldOut)
		s := Scene{Count: 1}
		s.Items[0].Object = k % objects
		colour := heldOutColours(k % objects)[k/objects%pairsPerObject]
		s.Background = Background{Kind: Plain, Top: colour}
		r.arrangeOne(&s)
		captions[k] = Caption{Text: r.caption(&s, true), Scene: s}
	}
	return captions
}
