package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"
)

// row is one client at one request rate.
type row struct {
	client string
	rate   float64
	figures
	verdict string
}

func printClients(w io.Writer, rows []row) {
	table := [][]string{{
		"client", "offered req/s", "requests", "TTFT true ms", "TTFT measured ms", "mean error ms", "p99 error ms",
		"send lag p99 ms", "CPU µs/token", "peak RSS MB", "verdict",
	}}
	for _, r := range rows {
		cells := []string{r.client, fmt.Sprint(r.rate)}
		if r.requests == 0 {
			cells = append(cells, "", "", "", "", "", "", "", "")
		} else {
			cells = append(cells, fmt.Sprint(r.requests),
				number(r.seen*1e3, 2), number(r.measured*1e3, 2), number(r.meanError*1e3, 3), number(r.p99Error*1e3, 2),
				number(r.lagP99*1e3, 2), number(r.cpuPerToken*1e6, 1), megabytes(r.peakRSS))
		}
		table = append(table, append(cells, r.verdict))
	}
	printTable(w, table)
}

// printTable writes a table in Markdown whose columns are aligned for those who
// read it as it is: numbers, which is all but the first and the last column, to
// the right. The first row is the head.
func printTable(w io.Writer, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, cells := range rows {
		for i, cell := range cells {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	last := len(widths) - 1
	for n, cells := range rows {
		for i, cell := range cells {
			space := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 || i == last {
				fmt.Fprintf(w, "| %s%s ", cell, space)
			} else {
				fmt.Fprintf(w, "| %s%s ", space, cell)
			}
		}
		fmt.Fprintln(w, "|")
		if n > 0 {
			continue
		}
		for i, width := range widths {
			rule := strings.Repeat("-", width+1)
			if i == 0 || i == last {
				fmt.Fprintf(w, "|%s-", rule)
			} else {
				fmt.Fprintf(w, "|%s:", rule)
			}
		}
		fmt.Fprintln(w, "|")
	}
}

// number is x with so many digits after the point, or nothing for a NaN.
func number(x float64, digits int) string {
	if math.IsNaN(x) {
		return ""
	}
	return fmt.Sprintf("%.*f", digits, x)
}

// megabytes is n in units of 10⁶ bytes, or nothing for 0.
func megabytes(n int64) string {
	if n == 0 {
		return ""
	}
	return number(float64(n)/1e6, 0)
}

// machine says what the figures were measured on, and how busy it was.
func machine() string {
	processor, busy := "an unknown processor", "unknown"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				processor = strings.TrimSpace(value)
			}
		}
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		busy = strings.Join(strings.Fields(string(text))[:3], " ")
	}
	return fmt.Sprintf("%s: %d cores (%s), %s/%s, %s, load average %s",
		time.Now().Format(time.DateTime), runtime.NumCPU(), processor, runtime.GOOS, runtime.GOARCH, runtime.Version(), busy)
}
