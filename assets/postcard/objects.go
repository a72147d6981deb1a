package postcard

// Object is a thing that postcards show.
type Object struct {
	Name    string   // as captions call it, without article
	Rune    rune     // the emoji it is drawn with
	Colour  Colour   // its main colour, NoColour if it has many
	Plural  bool     // takes no article: "grapes"
	Aliases []string // other names, used now and then
}

// DefaultObjects is how many objects the built-in model knows.
const DefaultObjects = 48

// Objects returns the first n objects of a fixed list, ordered so that every
// prefix of 48 or more is a varied set. n is clamped to the length of the list,
// 64.
func Objects(n int) []Object {
	return objects[:min(max(n, 0), len(objects)):len(objects)]
}

// objects were picked by eye: no two share silhouette and colour, none contains
// writing. Appending keeps all scenes of a smaller set; reordering changes them.
var objects = []Object{
	{Name: "fox", Rune: '🦊', Colour: Orange},
	{Name: "cat", Rune: '🐱', Colour: Yellow, Aliases: []string{"kitten", "kitty"}},
	{Name: "dog", Rune: '🐶', Colour: White, Aliases: []string{"puppy"}},
	{Name: "panda", Rune: '🐼'},
	{Name: "frog", Rune: '🐸', Colour: Green},
	{Name: "pig", Rune: '🐷', Colour: Pink, Aliases: []string{"piglet"}},
	{Name: "penguin", Rune: '🐧', Colour: Black},
	{Name: "owl", Rune: '🦉', Colour: Brown},
	{Name: "fish", Rune: '🐠', Colour: Yellow},
	{Name: "whale", Rune: '🐳', Colour: Blue},
	{Name: "octopus", Rune: '🐙', Colour: Red},
	{Name: "butterfly", Rune: '🦋', Colour: Orange},
	{Name: "ladybug", Rune: '🐞', Colour: Red, Aliases: []string{"ladybird"}},
	{Name: "turtle", Rune: '🐢', Colour: Green, Aliases: []string{"tortoise"}},
	{Name: "unicorn", Rune: '🦄', Colour: White},
	{Name: "apple", Rune: '🍎', Colour: Red},
	{Name: "banana", Rune: '🍌', Colour: Yellow},
	{Name: "strawberry", Rune: '🍓', Colour: Red},
	{Name: "grapes", Rune: '🍇', Colour: Purple, Plural: true},
	{Name: "watermelon", Rune: '🍉', Colour: Red, Aliases: []string{"melon"}},
	{Name: "pineapple", Rune: '🍍', Colour: Yellow},
	{Name: "carrot", Rune: '🥕', Colour: Orange},
	{Name: "pizza", Rune: '🍕'},
	{Name: "burger", Rune: '🍔', Aliases: []string{"hamburger"}},
	{Name: "donut", Rune: '🍩', Colour: Brown, Aliases: []string{"doughnut"}},
	{Name: "cake", Rune: '🎂', Aliases: []string{"birthday cake"}},
	{Name: "mushroom", Rune: '🍄', Colour: Red, Aliases: []string{"toadstool"}},
	{Name: "pumpkin", Rune: '🎃', Colour: Orange},
	{Name: "car", Rune: '🚗', Colour: Red},
	{Name: "bus", Rune: '🚌'},
	{Name: "train", Rune: '🚂', Aliases: []string{"locomotive"}},
	{Name: "rocket", Rune: '🚀', Aliases: []string{"spaceship"}},
	{Name: "plane", Rune: '✈', Colour: Blue, Aliases: []string{"airplane"}},
	{Name: "boat", Rune: '⛵', Colour: Orange, Aliases: []string{"sailboat"}},
	{Name: "house", Rune: '🏠', Aliases: []string{"home"}},
	{Name: "castle", Rune: '🏰', Colour: Grey},
	{Name: "tree", Rune: '🌳', Colour: Green},
	{Name: "palm tree", Rune: '🌴', Aliases: []string{"palm"}},
	{Name: "cactus", Rune: '🌵', Colour: Green},
	{Name: "sunflower", Rune: '🌻', Colour: Yellow},
	{Name: "rose", Rune: '🌹', Colour: Red},
	{Name: "star", Rune: '⭐', Colour: Yellow},
	{Name: "moon", Rune: '🌙', Colour: Yellow},
	{Name: "heart", Rune: '❤', Colour: Red},
	{Name: "balloon", Rune: '🎈', Colour: Red},
	{Name: "snowman", Rune: '⛄', Colour: White},
	{Name: "robot", Rune: '🤖', Colour: Grey},
	{Name: "crown", Rune: '👑', Colour: Yellow},

	{Name: "elephant", Rune: '🐘', Colour: Grey},
	{Name: "parrot", Rune: '🦜', Colour: Green},
	{Name: "crab", Rune: '🦀', Colour: Orange},
	{Name: "dinosaur", Rune: '🦖', Colour: Green},
	{Name: "lion", Rune: '🦁'},
	{Name: "ice cream", Rune: '🍦', Colour: White},
	{Name: "tractor", Rune: '🚜', Colour: Green},
	{Name: "tent", Rune: '⛺', Colour: Orange},
	{Name: "tulip", Rune: '🌷', Colour: Pink},
	{Name: "rainbow", Rune: '🌈'},
	{Name: "umbrella", Rune: '☂', Colour: Purple},
	{Name: "gift", Rune: '🎁', Colour: Red, Aliases: []string{"present"}},
	{Name: "guitar", Rune: '🎸', Colour: Red},
	{Name: "ghost", Rune: '👻', Colour: White},
	{Name: "teddy bear", Rune: '🧸', Colour: Brown, Aliases: []string{"teddy"}},
	{Name: "football", Rune: '⚽', Aliases: []string{"soccer ball"}},
}
