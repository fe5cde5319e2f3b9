package simulator

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Fault is a way in which a replica answers wrongly, or strangely but rightly.
type Fault string

// The faults. Those up to Wedged let a request fail; the others change only the
// form of a right answer.
const (
	NoFault         Fault = ""
	Drop            Fault = "drop"             // the connection is cut before any answer
	BadRequest      Fault = "http_400"         // status 400
	Unauthorized    Fault = "http_401"         // status 401
	TooManyRequests Fault = "http_429"         // status 429
	InternalError   Fault = "http_500"         // status 500
	Unavailable     Fault = "http_503"         // status 503
	StreamError     Fault = "stream_error"     // an error within the stream, then [DONE]
	Cut             Fault = "cut"              // the connection is cut after half of the tokens
	NoDone          Fault = "no_done"          // the stream ends cleanly after half, without [DONE]
	Short           Fault = "short"            // half of the tokens, then a clean end
	HangHeaders     Fault = "hang_headers"     // nothing is ever answered
	HangFirstToken  Fault = "hang_first_token" // headers, but never a token
	Stall           Fault = "stall"            // half of the tokens, then silence
	Trickle         Fault = "trickle"          // tokens for ever, one a second
	NotStreamed     Fault = "not_streamed"     // the whole answer as one JSON object
	Garbage         Fault = "garbage"          // a stream of what is no JSON
	Wedged          Fault = "wedged"           // the request holds its slot and never gets a token; /health answers
	Grouped         Fault = "grouped"          // three tokens in each chunk
	Coalesced       Fault = "coalesced"        // two chunks in each write
	Split           Fault = "split"            // every chunk in several writes
	CRLF            Fault = "crlf"             // lines end in CR LF
	Comments        Fault = "comments"         // comment lines between the chunks
	NoUsage         Fault = "no_usage"         // usage in the last chunk alone
	Reasoning       Fault = "reasoning"        // chat answers begin with reasoning
)

// Faults lists all faults.
func Faults() []Fault {
	return []Fault{
		Drop, BadRequest, Unauthorized, TooManyRequests, InternalError, Unavailable, StreamError, Cut, NoDone,
		Short, HangHeaders, HangFirstToken, Stall, Trickle, NotStreamed, Garbage, Wedged,
		Grouped, Coalesced, Split, CRLF, Comments, NoUsage, Reasoning,
	}
}

// FaultShare is a fault that befalls a share of the requests, from 0 to 1.
type FaultShare struct {
	Fault Fault
	Share float64
}

// ParseFaults reads faults' names, each alone or with its share: "stall",
// "stall:0.1". The shares may not add up to more than 1.
func ParseFaults(texts []string) ([]FaultShare, error) {
	var shares []FaultShare
	sum := 0.0
	for _, text := range texts {
		f, err := parseFault(text)
		if err != nil {
			return nil, err
		}
		shares = append(shares, f)
		sum += f.Share
	}
	if sum > 1+1e-9 { // ten shares of 0.1 add up to a little more or less than 1
		return nil, fmt.Errorf("the shares of %s add up to %.4g; allowed: up to 1 (a fault without a share takes all requests)",
			strings.Join(texts, ", "), sum)
	}
	return shares, nil
}

func parseFault(text string) (FaultShare, error) {
	name, share, hasShare := strings.Cut(text, ":")
	f := FaultShare{Fault(name), 1}
	if !slices.Contains(Faults(), f.Fault) {
		return f, fmt.Errorf("%q is no fault; allowed: %s", name, joinFaults())
	}
	if hasShare {
		var err error
		if f.Share, err = strconv.ParseFloat(share, 64); err != nil || !(f.Share > 0 && f.Share <= 1) {
			return f, fmt.Errorf("%s: %q is no share; allowed: a number above 0 and up to 1", name, share)
		}
	}
	return f, nil
}

func joinFaults() string {
	names := make([]string, 0, len(Faults()))
	for _, f := range Faults() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// faultDice decides which fault befalls a request, the same again from a seed.
type faultDice struct {
	mu     sync.Mutex
	rng    *rand.Rand
	shares []FaultShare
}

func newFaultDice(shares []FaultShare, seed uint64) *faultDice {
	return &faultDice{rng: rand.New(rand.NewPCG(seed, 1)), shares: shares}
}

// roll takes the first fault whose share the draw falls into.
func (d *faultDice) roll() Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	draw := d.rng.Float64()
	for _, s := range d.shares {
		if draw -= s.Share; draw < 0 {
			return s.Fault
		}
	}
	return NoFault
}

func (d *faultDice) set(shares []FaultShare) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shares = shares
}
