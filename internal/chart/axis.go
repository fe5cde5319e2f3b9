package chart

import (
	"math"
	"strconv"
	"time"
)

// Unit is what a figure is in.
type Unit int

// The units.
const (
	// Number is written as it is; the axis's label says what it is in.
	Number Unit = iota
	// Seconds are written as µs, ms or s.
	Seconds
	// Share is from 0 to 1 and written in percent.
	Share
)

// Format writes a figure with three significant digits and its unit. What is no
// number is a dash.
func (u Unit) Format(x float64) string {
	switch {
	case !finite(x):
		return "–"
	case u == Share:
		return digits(x*100) + "%"
	case u != Seconds:
		return digits(x)
	case x == 0:
		return "0 s"
	case math.Abs(x) < 0.9995e-3:
		return digits(x*1e6) + " µs"
	case math.Abs(x) < 0.9995:
		return digits(x*1e3) + " ms"
	default:
		return digits(x) + " s"
	}
}

// digits writes three significant digits, and all those before the point.
func digits(x float64) string {
	if x == 0 {
		return "0"
	}
	if math.Abs(x) >= 1e7 || math.Abs(x) < 1e-4 {
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
	after := 2 - int(math.Floor(math.Log10(math.Abs(x))))
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(x, 'f', max(after, 0), 64), 64)
	if err != nil { // what FormatFloat writes is a number
		return "–"
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// Axis says what an axis shows.
type Axis struct {
	Label string
	Unit  Unit
	// Tight lets a linear axis begin near its least value in place of 0. It is then still
	// as long as a twentieth of its largest value: less than that is not worth a look.
	Tight bool
	// Linear forbids a logarithmic axis, which is chosen where all values are above
	// 0 and the largest is more than 20 times the least, but not for shares.
	Linear bool
}

// narrowest is the least length of a tight axis, as a share of its largest value.
const narrowest = 0.05

// spread is from how many times the least value on an axis is logarithmic.
const spread = 20

// tick is a place on an axis with its text.
type tick struct {
	at   float64
	text string
}

// scale places values between two ends of an axis.
type scale struct {
	log        bool
	least      float64
	most       float64
	start, end float64 // pixels
	ticks      []tick
}

// scaled makes the scale of an axis for values, of which those that are not finite
// do not count.
func (a Axis) scaled(values []float64, start, end float64, about int) scale {
	least, most := math.Inf(1), math.Inf(-1)
	for _, x := range values {
		if finite(x) {
			least, most = min(least, x), max(most, x)
		}
	}
	if least > most {
		least, most = 0, 1
	}
	s := scale{start: start, end: end}
	if s.log = !a.Linear && a.Unit != Share && least > 0 && most/least > spread; s.log {
		s.least, s.most, s.ticks = logTicks(least, most, a.Unit)
		return s
	}
	if !a.Tight {
		least, most = min(least, 0), max(most, 0)
	} else if span := narrowest * max(math.Abs(least), math.Abs(most)); most-least < span && least < most {
		middle := least/2 + most/2
		least, most = middle-span/2, middle+span/2
	}
	s.least, s.most, s.ticks = linearTicks(least, most, about, a.Unit)
	return s
}

// at is the pixel of a value. It says false where there is none.
func (s scale) at(x float64) (float64, bool) {
	if !finite(x) || s.log && x <= 0 {
		return 0, false
	}
	least, most := s.least, s.most
	if s.log {
		x, least, most = math.Log(x), math.Log(least), math.Log(most)
	}
	// Halves, lest the difference of two numbers overflow.
	share := (x/2 - least/2) / (most/2 - least/2)
	if !finite(share) { // the axis is no longer than a float64 can tell
		share = 0.5
	}
	return s.start + min(max(share, 0), 1)*(s.end-s.start), true
}

// linearTicks are about so many round values around the two, and the ends that the
// axis then has.
func linearTicks(least, most float64, about int, unit Unit) (from, to float64, ticks []tick) {
	if least == most {
		pad := math.Abs(least) * 0.1
		if pad == 0 || !finite(pad) {
			pad = 1
		}
		least, most = least-pad, most+pad
	}
	step := roundStep(most/float64(about) - least/float64(about))
	first, last := math.Floor(least/step), math.Ceil(most/step)
	if last-first > 50 || !finite(first) || !finite(last) || first+1 == first || last+1 == last { // beyond what a float64 can tell apart
		return least, most, []tick{{least, unit.Format(least)}, {most, unit.Format(most)}}
	}
	for i := first; i <= last; i++ {
		// The step's own digits, so that 3 × 0.1 is 0.3.
		at, err := strconv.ParseFloat(strconv.FormatFloat(i*step, 'g', 12, 64), 64)
		if err != nil || !finite(at) {
			continue
		}
		ticks = append(ticks, tick{at, unit.Format(at)})
	}
	return first * step, last * step, ticks
}

// roundStep is the least of 1, 2 and 5 times a power of ten that is not below x.
func roundStep(x float64) float64 {
	if x <= 0 || !finite(x) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(x)))
	if power == 0 {
		return math.SmallestNonzeroFloat64
	}
	for _, m := range []float64{1, 2, 5} {
		if m*power >= x*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// logTicks are powers of ten from below the least to above the most value, and 2
// and 5 times these where there are few. The axis ends at ticks.
func logTicks(least, most float64, unit Unit) (from, to float64, ticks []tick) {
	multiples := []float64{1, 2, 5}
	low, high := math.Floor(math.Log10(least)), math.Ceil(math.Log10(most))
	every := 1.0
	if decades := high - low; decades > 3 {
		multiples = []float64{1}
		every = math.Ceil(decades / 8)
	}
	var all []tick
	for power := low; power <= high; power += every {
		for _, m := range multiples {
			if at := m * math.Pow(10, power); at > 0 && finite(at) {
				all = append(all, tick{at, unit.Format(at)})
			}
		}
	}
	first, last := 0, len(all)-1
	for i, t := range all {
		if t.at <= least*(1+1e-9) {
			first = i
		}
	}
	for i := last; i > first; i-- {
		if all[i].at >= most*(1-1e-9) {
			last = i
		}
	}
	return min(all[first].at, least), max(all[last].at, most), all[first : last+1]
}

// timeSteps are the distances between ticks of a time axis, with the way in which
// its ticks are written.
var timeSteps = []struct {
	step   time.Duration // or
	months int
	layout string
}{
	{time.Second, 0, time.TimeOnly},
	{10 * time.Second, 0, time.TimeOnly},
	{time.Minute, 0, "15:04"},
	{5 * time.Minute, 0, "15:04"},
	{15 * time.Minute, 0, "15:04"},
	{time.Hour, 0, "15:04"},
	{3 * time.Hour, 0, "01-02 15:04"},
	{12 * time.Hour, 0, "01-02 15:04"},
	{24 * time.Hour, 0, "01-02"},
	{2 * 24 * time.Hour, 0, "01-02"},
	{7 * 24 * time.Hour, 0, "01-02"},
	{0, 1, time.DateOnly},
	{0, 3, time.DateOnly},
	{0, 12, "2006"},
	{0, 120, "2006"},
	{0, 1200, "2006"},
}

// timeTicks are at most so many round times between two, in UTC.
func timeTicks(from, to time.Time, most int) []tick {
	from, to = from.UTC(), to.UTC()
	for _, each := range timeSteps {
		at := from.Add(each.step - 1).Truncate(each.step)
		if each.months > 0 { // the first of a month after from
			month := from.Year()*12 + int(from.Month()) - 1
			month = (month/each.months + 1) * each.months
			at = time.Date(0, time.Month(month+1), 1, 0, 0, 0, 0, time.UTC)
		}
		var ticks []tick
		for ; !at.After(to) && len(ticks) <= most; at = at.Add(each.step).AddDate(0, each.months, 0) {
			ticks = append(ticks, tick{seconds(at), at.Format(each.layout)})
		}
		if len(ticks) <= most {
			return ticks
		}
	}
	return nil
}

// seconds is a time as a number.
func seconds(t time.Time) float64 { return float64(t.Unix()) + float64(t.Nanosecond())/1e9 }

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
