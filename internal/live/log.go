package live

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"
)

const (
	// lines is how many lines of each probe's log are kept, and longest how many bytes
	// of a value, so that the log of a probe takes a megabyte at the most.
	lines   = 500
	longest = 1000
)

// Line is a line of a probe's log.
type Line struct {
	At      time.Time `json:"at"`
	Level   string    `json:"level"`
	Message string    `json:"message"`
	// Run is the id of the run that it tells of; empty between runs.
	Run    string  `json:"run,omitempty"`
	Values []Value `json:"values,omitempty"`
}

// Value is a value that a line gives, with its name.
type Value struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// log is the newest lines of a probe's log, the oldest first once it is sorted.
type log struct {
	ring []Line
	next int // where the next line goes once the ring is full
}

func (l *log) add(line Line) {
	if len(l.ring) < lines {
		l.ring = append(l.ring, line)
		return
	}
	l.ring[l.next] = line
	l.next = (l.next + 1) % lines
}

// Log are the newest lines of a probe's log that tell of a run, the oldest first; of
// all runs, and of the time between, if that is empty.
func (b *Board) Log(probe, run string) []Line {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.logs[probe]
	if l == nil {
		return nil
	}
	all := slices.Concat(l.ring[l.next:], l.ring[:l.next])
	if run == "" {
		return all
	}
	return slices.DeleteFunc(all, func(line Line) bool { return line.Run != run })
}

func (b *Board) logged(probe string, line Line) {
	for i := range line.Values {
		if v := &line.Values[i].Value; len(*v) > longest {
			*v = strings.ToValidUTF8((*v)[:longest], "") + "…"
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.logs[probe] == nil {
		b.logs[probe] = &log{}
	}
	b.logs[probe].add(line)
}

// note adds a line that nobody else writes.
func (p *Probe) note(run, message string, namesAndValues ...string) {
	line := Line{At: time.Now().UTC(), Level: slog.LevelInfo.String(), Message: message, Run: run}
	for pair := range slices.Chunk(namesAndValues, 2) {
		line.Values = append(line.Values, Value{pair[0], pair[1]})
	}
	p.board.logged(p.name, line)
}

// Handler returns a handler that gives all to next, and keeps for the board what
// tells of a probe: the lines with the attribute "probe". What next does not want is
// kept from the level info on.
func (b *Board) Handler(next slog.Handler) slog.Handler { return &handler{board: b, next: next} }

type handler struct {
	board  *Board
	next   slog.Handler
	attrs  []slog.Attr // of the outermost group
	groups int
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.next.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	more := *h
	more.next = h.next.WithAttrs(attrs)
	if h.groups == 0 {
		more.attrs = slices.Concat(h.attrs, attrs)
	}
	return &more
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	more := *h
	more.next = h.next.WithGroup(name)
	more.groups++
	return &more
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	h.keep(r)
	if !h.next.Enabled(ctx, r.Level) {
		return nil
	}
	return h.next.Handle(ctx, r)
}

func (h *handler) keep(r slog.Record) {
	line := Line{At: r.Time.UTC(), Level: r.Level.String(), Message: r.Message}
	probe := ""
	take := func(a slog.Attr) bool {
		switch text := a.Value.Resolve().String(); a.Key {
		case "probe":
			probe = text
		case "run":
			line.Run = text
		default:
			line.Values = append(line.Values, Value{a.Key, text})
		}
		return true
	}
	for _, a := range h.attrs {
		take(a)
	}
	if h.groups == 0 {
		r.Attrs(take)
	}
	if probe != "" {
		h.board.logged(probe, line)
	}
}
