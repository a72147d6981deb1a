package postcard

// Colours of the landscapes.
var (
	skyTop     = rgb{74, 146, 226}
	skyLow     = rgb{178, 218, 246}
	cloudWhite = rgb{248, 250, 252}
	grassFar   = rgb{122, 190, 106}
	grassNear  = rgb{88, 164, 78}
	grassDeep  = rgb{58, 128, 60}
	seaFar     = rgb{40, 104, 186}
	seaNear    = rgb{34, 142, 190}
	foam       = rgb{196, 230, 240}
	nightTop   = rgb{14, 18, 48}
	nightLow   = rgb{42, 54, 106}
	nightHill  = rgb{12, 18, 34}
	starlight  = rgb{250, 246, 214}
	duskTop    = rgb{110, 70, 150}
	duskMiddle = rgb{240, 120, 110}
	duskLow    = rgb{255, 196, 92}
	duskHill   = rgb{74, 42, 84}
	snowSky    = rgb{150, 186, 222}
	snowHaze   = rgb{214, 228, 242}
	snowFar    = rgb{226, 236, 248}
	snowNear   = rgb{250, 252, 255}
	sandFar    = rgb{238, 196, 120}
	sandNear   = rgb{222, 164, 84}
)

// background paints what lies behind the objects.
func (c *canvas) background(b Background, r *rng) {
	switch b.Kind {
	case Plain:
		v := r.jitter(b.Top)
		c.gradient(0, 1, v, v)
	case Graded:
		c.gradient(0, 1, r.jitter(b.Top), r.jitter(b.Bottom))
	case Sky:
		c.gradient(0, 1, r.jitterRGB(skyTop), r.jitterRGB(skyLow))
		for i := range 4 {
			c.cloud(r, 0.12+0.25*float32(i)+r.between(-0.06, 0.06))
		}
	case Hills:
		c.gradient(0, 0.75, r.jitterRGB(skyTop), skyLow)
		c.cloud(r, r.between(0.08, 0.2))
		c.ground(r.hill(0.56, 0.06), r.jitterRGB(grassFar), grassNear)
		c.ground(r.hill(0.70, 0.05), r.jitterRGB(grassNear), grassDeep)
	case Sea:
		c.gradient(0, 0.5, r.jitterRGB(skyTop), skyLow)
		c.cloud(r, r.between(0.08, 0.2))
		level := r.between(0.42, 0.5)
		c.ground(wave{level: level}, r.jitterRGB(seaFar), r.jitterRGB(seaNear))
		for range 9 {
			y := r.between(level+0.04, 0.98)
			near := (y - level) / (1 - level)
			c.disc(r.unit(), y, 0.04+0.08*near, 0.005+0.005*near, foam)
		}
	case Night:
		c.gradient(0, 1, r.jitterRGB(nightTop), r.jitterRGB(nightLow))
		for range 26 {
			radius := r.between(0.005, 0.012)
			c.disc(r.unit(), r.between(0, 0.8), radius, radius, starlight)
		}
		c.ground(r.hill(0.86, 0.03), nightHill, nightHill)
	case Sunset:
		c.gradient(0, 0.45, r.jitterRGB(duskTop), duskMiddle)
		c.gradient(0.45, 1, duskMiddle, r.jitterRGB(duskLow))
		c.ground(r.hill(0.80, 0.04), r.jitterRGB(duskHill), duskHill)
	case Snow:
		c.gradient(0, 0.8, r.jitterRGB(snowSky), snowHaze)
		c.ground(r.hill(0.58, 0.05), r.jitterRGB(snowFar), snowNear)
		c.ground(r.hill(0.74, 0.04), snowNear, snowFar)
		for range 22 {
			radius := r.between(0.006, 0.014)
			c.disc(r.unit(), r.between(0, 0.6), radius, radius, cloudWhite)
		}
	case Desert:
		c.gradient(0, 0.8, r.jitterRGB(skyTop), skyLow)
		c.ground(r.hill(0.60, 0.04), r.jitterRGB(sandFar), sandNear)
		c.ground(r.hill(0.76, 0.05), r.jitterRGB(sandFar), sandNear)
	}
}

// hill draws a gentle horizon about a level.
func (r *rng) hill(level, height float32) wave {
	return wave{
		level:     level + r.between(-0.03, 0.03),
		height:    height * r.between(0.6, 1),
		frequency: r.between(0.7, 1.4),
		phase:     r.unit(),
	}
}

// cloud paints a cloud at height y: a flat disc and three round ones on it.
func (c *canvas) cloud(r *rng, y float32) {
	x, scale := r.unit(), r.between(0.7, 1.1)
	c.disc(x, y, 0.15*scale, 0.030*scale, cloudWhite)
	c.disc(x-0.07*scale, y-0.015*scale, 0.05*scale, 0.04*scale, cloudWhite)
	c.disc(x+0.01*scale, y-0.035*scale, 0.07*scale, 0.055*scale, cloudWhite)
	c.disc(x+0.08*scale, y-0.012*scale, 0.045*scale, 0.035*scale, cloudWhite)
}
