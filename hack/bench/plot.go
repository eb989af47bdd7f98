package main

import (
	"fmt"
	"math"
	"strings"
)

// The picture's measures, in pixels: where the axes stand, and how long they are.
const (
	left, top     = 48, 28
	wide, high    = 600, 240
	bottom, right = top + high, left + wide
)

var colours = []string{"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e"}

// plot draws how many of each fleet are Ready, in percent, over the time since the first apply.
func (r *results) plot() string {
	longest := 1.0
	for _, f := range r.Fleets {
		longest = max(longest, f.Scenarios[creation].last())
	}
	step := tick(longest)
	end := math.Ceil(longest/step) * step

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`+"\n", right+20, bottom+44)
	b.WriteString("<title>How many are Ready, over time</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n")
	fmt.Fprintf(&b, `<text x="%d" y="16">Ready, %% of the accounts</text><text x="%d" y="%d" text-anchor="end">seconds since the first apply</text>`+"\n", left, right, bottom+36)
	for percent := 0; percent <= 100; percent += 25 {
		y := at(float64(percent)/100, bottom, top)
		fmt.Fprintf(&b, `<path d="M%d %sH%d" stroke="#ddd"/><text x="%d" y="%s" dy="4" text-anchor="end">%d</text>`+"\n", left, y, right, left-6, y, percent)
	}
	for s := 0.0; s <= end+step/2; s += step {
		x := at(s/end, left, right)
		fmt.Fprintf(&b, `<path d="M%s %dV%d" stroke="#ddd"/><text x="%s" y="%d" text-anchor="middle">%s</text>`+"\n", x, top, bottom, x, bottom+16, number(s))
	}
	for i, f := range r.Fleets {
		colour := colours[i%len(colours)]
		fmt.Fprintf(&b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", curve(f.Scenarios[creation].Ready, end), colour)
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="%s">%s accounts: %s</text>`+"\n", right-180, bottom-12-16*(len(r.Fleets)-1-i), colour, thousands(f.N), inSeconds(f.Scenarios[creation].last()))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// curve goes through each full percent of what is Ready; the times are in order.
func curve(ready []float64, end float64) string {
	if len(ready) == 0 {
		return ""
	}
	path := fmt.Sprintf("M%d %d", left, bottom)
	for percent := 1; percent <= 100; percent++ {
		i := (len(ready)*percent+99)/100 - 1 // the one that makes the percent full
		path += fmt.Sprintf("L%s %s", at(ready[i]/end, left, right), at(float64(percent)/100, bottom, top))
	}
	return path
}

// at is the place at a share of the way between two others.
func at(share float64, from, to int) string {
	return fmt.Sprintf("%.0f", float64(from)+share*float64(to-from))
}

// tick is the distance between two ticks of an axis: 1, 2 or 5 times a power of ten, and about ten of them.
func tick(longest float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(longest/10)))
	for _, times := range []float64{1, 2, 5} {
		if longest/(times*power) <= 10 {
			return times * power
		}
	}
	return 10 * power
}
