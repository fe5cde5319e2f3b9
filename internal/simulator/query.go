package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"strings"
)

// query is the body of a request, as far as the simulator heeds it.
type query struct {
	Model          string          `json:"model"`
	Prompt         json.RawMessage `json:"prompt"`
	Messages       []message       `json:"messages"`
	MaxTokens      *int            `json:"max_tokens"`
	MaxCompletion  *int            `json:"max_completion_tokens"`
	MinTokens      int             `json:"min_tokens"`
	Stream         bool            `json:"stream"`
	StreamOptions  *streamOptions  `json:"stream_options"`
	ReturnTokenIDs bool            `json:"return_token_ids"`
	CacheSalt      *string         `json:"cache_salt"`

	ids    []int // the prompt's tokens
	output int   // how many tokens are to be answered
}

type streamOptions struct {
	IncludeUsage         bool `json:"include_usage"`
	ContinuousUsageStats bool `json:"continuous_usage_stats"`
}

type message struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

// maxBody bounds a request's body.
const maxBody = 16 << 20

// readQuery reads a request for a model with a context of so many tokens, and
// refuses what vLLM would refuse.
func readQuery(q *http.Request, chat bool, model string, limit int) (*query, *problem) {
	if kind, _, err := mime.ParseMediaType(q.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, &problem{http.StatusBadRequest, "Unsupported Media Type: Only 'application/json' is allowed", badForm, ""}
	}
	text, err := io.ReadAll(http.MaxBytesReader(nil, q.Body, maxBody))
	if err != nil {
		return nil, &problem{http.StatusBadRequest, "the body cannot be read: " + err.Error(), badForm, "body"}
	}
	return parseQuery(text, chat, model, limit)
}

func parseQuery(text []byte, chat bool, model string, limit int) (*query, *problem) {
	b := &query{}
	if err := json.Unmarshal(text, b); err != nil {
		return nil, &problem{http.StatusBadRequest, "the body is not the JSON of a request: " + err.Error(), badForm, "body"}
	}
	refuse := func(param, form string, args ...any) (*query, *problem) {
		return nil, &problem{http.StatusBadRequest, fmt.Sprintf(form, args...), badRequest, param}
	}
	if b.Model != "" && b.Model != model {
		text := fmt.Sprintf("The model `%s` does not exist. Valid aliases: %s.", b.Model, model)
		return nil, &problem{http.StatusNotFound, text, "NotFoundError", "model"}
	}
	var err error
	if b.ids, err = b.tokens(chat); err != nil {
		return refuse("prompt", "%v", err)
	}
	room := limit - len(b.ids)
	b.output = 16 // vLLM's own default for completions
	if chat {
		b.output = room
	}
	for _, asked := range []*int{b.MaxTokens, b.MaxCompletion} { // the later one counts
		if asked != nil {
			b.output = *asked
		}
	}
	switch {
	case b.StreamOptions != nil && !b.Stream:
		return refuse("stream_options", "stream_options is for streams alone; set stream to true")
	case b.CacheSalt != nil && *b.CacheSalt == "":
		return refuse("cache_salt", "cache_salt is empty; leave it out or give it a text")
	case room < 1:
		return refuse("input_tokens", "the prompt has %d tokens, and the model's context is %d with the answer", len(b.ids), limit)
	case b.output < 1:
		return refuse("max_tokens", "max_tokens is %d; allowed: 1 or more", b.output)
	case b.MinTokens > b.output:
		return refuse("", "min_tokens is %d, more than the %d of max_tokens", b.MinTokens, b.output)
	}
	b.output = min(b.output, room) // vLLM cuts what does not fit, and says nothing
	return b, nil
}

func (b *query) salt() string {
	if b.CacheSalt == nil {
		return ""
	}
	return *b.CacheSalt
}

func (b *query) includesUsage() bool { return b.StreamOptions != nil && b.StreamOptions.IncludeUsage }

// usageInEachChunk holds only beside the usage at the end, as in vLLM.
func (b *query) usageInEachChunk() bool {
	return b.includesUsage() && b.StreamOptions.ContinuousUsageStats
}

// tokens is the prompt as token ids. Text has no tokenizer here: each word is a
// token, whose id is a hash of it.
func (b *query) tokens(chat bool) ([]int, error) {
	var text string
	switch {
	case chat:
		for _, m := range b.Messages {
			content, err := m.text()
			if err != nil {
				return nil, err
			}
			text += m.Role + " " + content + " "
		}
	case len(b.Prompt) > 0 && b.Prompt[0] == '[':
		var ids []int
		if err := json.Unmarshal(b.Prompt, &ids); err != nil {
			return nil, errors.New("the prompt is a list, but not one of token ids; the simulator takes one prompt at a time")
		}
		for _, id := range ids {
			if id < 0 {
				return nil, fmt.Errorf("the prompt has the token id %d; allowed: 0 or more", id)
			}
		}
		if len(ids) > 0 {
			return ids, nil
		}
	case len(b.Prompt) > 0:
		if err := json.Unmarshal(b.Prompt, &text); err != nil {
			return nil, errors.New("the prompt is neither text nor a list of token ids")
		}
	}
	var ids []int
	for word := range strings.FieldsSeq(text) {
		id := 0
		for _, c := range []byte(word) {
			id = (id*31 + int(c)) & math.MaxInt32
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, errors.New("the prompt is empty")
	}
	return ids, nil
}

// text is a message's content: a text, parts of which some are text, or nothing.
func (m message) text() (text string, err error) {
	var parts []struct {
		Text string `json:"text"`
	}
	switch {
	case len(m.Content) == 0:
	case m.Content[0] == '"':
		err = json.Unmarshal(m.Content, &text)
	default:
		err = json.Unmarshal(m.Content, &parts)
	}
	if err != nil {
		return "", errors.New("a message's content is neither text nor a list of parts")
	}
	all := []string{text}
	for _, p := range parts {
		all = append(all, p.Text)
	}
	return strings.Join(all, " "), nil
}
