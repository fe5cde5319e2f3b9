package config

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// MaxLength bounds lengths in tokens: more than any model takes.
const MaxLength = 10_000_000

// extraBodyTaken are the keys of a request that the prober sets itself.
var extraBodyTaken = []string{
	"model", "prompt", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "min_tokens",
	"ignore_eos", "cache_salt", "n", "priority",
}

func (k *checks) workload(w *Workload, path string) {
	k.oneOf(string(w.Endpoint), path+".endpoint", string(Completions), string(Chat))
	k.length(w.OutputTokens, path+".output_tokens")
	for _, key := range slices.Sorted(maps.Keys(w.ExtraBody)) {
		k.need(!slices.Contains(extraBodyTaken, key), join(path+".extra_body", key), "is set by the prober itself",
			"any key but "+strings.Join(extraBodyTaken, ", "))
	}
	if w.PromptsFile != "" {
		info, err := os.Stat(w.PromptsFile)
		k.need(err == nil && info.Mode().IsRegular(), path+".prompts_file", show(w.PromptsFile)+" cannot be read", "a file")
		k.need(w.PromptTokens.IsZero(), path+".prompt_tokens", "is of no use beside prompts_file", "one of the two")
		k.need(w.SharedPrefixTokens == 0, path+".shared_prefix_tokens", "is of no use beside prompts_file", "one of the two")
		return
	}
	shortest := w.PromptTokens.MinTokens()
	if k.length(w.PromptTokens, path+".prompt_tokens") {
		k.need(w.SharedPrefixTokens >= 0 && w.SharedPrefixTokens < shortest, path+".shared_prefix_tokens",
			strconv.Itoa(w.SharedPrefixTokens), fmt.Sprintf("0 or more, and less than the shortest prompt, %d", shortest))
	}
}

func (k *checks) length(l Length, path string) bool {
	switch {
	case l.Uniform != nil && (l.Lognormal != nil || l.Fixed != 0), l.Lognormal != nil && l.Fixed != 0:
		return k.need(false, path, "has more than one distribution", "a number, or one of uniform and lognormal")
	case l.Uniform != nil:
		return k.bounds(l, path+".uniform")
	case l.Lognormal != nil:
		n := *l.Lognormal
		path += ".lognormal"
		ok := k.bounds(l, path)
		ok = k.need(n.Sigma > 0 && n.Sigma <= 10, path+".sigma", number(n.Sigma), "above 0, up to 10") && ok
		// Another median would make a distribution that has its name but not its
		// shape: a tail of it.
		return k.need(n.Median >= float64(n.Min) && n.Median <= float64(n.Max), path+".median", number(n.Median),
			fmt.Sprintf("from min, %d, to max, %d", n.Min, n.Max)) && ok
	default:
		return k.need(l.Fixed >= 1 && l.Fixed <= MaxLength, path, strconv.Itoa(l.Fixed), fmt.Sprintf("1 to %d", MaxLength))
	}
}

func (k *checks) bounds(l Length, path string) bool {
	least, most := l.MinTokens(), l.MaxTokens()
	ok := k.need(least >= 1 && least <= MaxLength, path+".min", strconv.Itoa(least), fmt.Sprintf("1 to %d", MaxLength))
	return k.need(most >= least && most <= MaxLength, path+".max", strconv.Itoa(most),
		fmt.Sprintf("min, %d, to %d", least, MaxLength)) && ok
}
