package dashboards

import (
	"math"
	"strconv"
	"testing"
)

// The backgrounds of Grafana's panels.
const (
	light = "#FFFFFF"
	dark  = "#181B1F"
)

type linearRGB [3]float64

// linear is a colour in linear light, by the definition of sRGB.
func linear(t *testing.T, hex string) (c linearRGB) {
	t.Helper()
	for i := range c {
		value, err := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		v := float64(value) / 255
		if v <= 0.04045 {
			c[i] = v / 12.92
		} else {
			c[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return c
}

// contrast is the contrast ratio of WCAG 2.1.
func contrast(a, b linearRGB) float64 {
	luminance := func(c linearRGB) float64 { return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2] }
	high, low := max(luminance(a), luminance(b)), min(luminance(a), luminance(b))
	return (high + 0.05) / (low + 0.05)
}

// eyes are how people see linear light: with all three kinds of cones, and without
// one of them. G. M. Machado, M. M. Oliveira and L. A. F. Fernandes, A
// Physiologically-based Model for Simulation of Color Vision Deficiency, IEEE
// Transactions on Visualization and Computer Graphics 15 (2009), severity 1.
var eyes = map[string][3]linearRGB{
	"normal":       {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protanopia":   {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	"deuteranopia": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
	"tritanopia":   {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
}

func seen(c linearRGB, eye [3]linearRGB) (s linearRGB) {
	for i, row := range eye {
		s[i] = min(max(row[0]*c[0]+row[1]*c[1]+row[2]*c[2], 0), 1)
	}
	return s
}

// distance is that of CIELAB (ΔE*ab of 1976): from about 2 on two colours side by
// side are not the same to an eye.
func distance(a, b linearRGB) float64 {
	lab := func(c linearRGB) [3]float64 {
		f := func(t float64) float64 {
			if t > 0.008856 {
				return math.Cbrt(t)
			}
			return 7.787*t + 16.0/116
		}
		x := f((0.4124*c[0] + 0.3576*c[1] + 0.1805*c[2]) / 0.95047)
		y := f(0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2])
		z := f((0.0193*c[0] + 0.1192*c[1] + 0.9505*c[2]) / 1.08883)
		return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
	}
	p, q := lab(a), lab(b)
	return math.Hypot(math.Hypot(p[0]-q[0], p[1]-q[1]), p[2]-q[2])
}

// Black and white are as far apart as can be, and a red and a green that anyone
// tells apart are one to who lacks a kind of cones: the measures measure.
func TestMeasuresOfColours(t *testing.T) {
	black, white := linear(t, "#000000"), linear(t, "#FFFFFF")
	if got := contrast(black, white); math.Abs(got-21) > 1e-9 {
		t.Errorf("the contrast of black and white is %v, by definition 21", got)
	}
	if got := distance(black, white); math.Abs(got-100) > 0.1 {
		t.Errorf("the distance of black and white is %v, by definition 100", got)
	}
	red, green := linear(t, "#A01010"), linear(t, "#406010")
	if normal, without := distance(red, green), distance(seen(red, eyes["deuteranopia"]), seen(green, eyes["deuteranopia"])); normal < 50 || without > 15 {
		t.Errorf("red and green are %v apart, and %v without cones for green", normal, without)
	}
}

// Lines can be told apart with any eyes.
func TestColoursCanBeToldApart(t *testing.T) {
	for name, eye := range eyes {
		for i, a := range lineColours {
			for _, b := range lineColours[:i] {
				if d := distance(seen(linear(t, a), eye), seen(linear(t, b), eye)); d < 15 {
					t.Errorf("%s and %s are only %.1f apart with %s", a, b, d, name)
				}
			}
		}
	}
}

// What is written in a colour stands out from both themes' panels, as WCAG 2.1
// wants it of large text and of graphics (1.4.3, 1.4.11).
func TestTextStandsOut(t *testing.T) {
	for _, colour := range []string{good, warning, bad, grey} {
		for _, background := range []string{light, dark} {
			if c := contrast(linear(t, colour), linear(t, background)); c < 3 {
				t.Errorf("%s has the contrast %.2f to %s, wanted are 3", colour, c, background)
			}
		}
	}
}
