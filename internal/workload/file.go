package workload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"vllm_prober/internal/config"
)

// prompt is one prompt of a file.
type prompt struct {
	json         []byte // its key and value in a request's body
	tokens       int    // its length where it is given as token ids, else 0
	outputTokens int    // 0: as the workload says
}

// readPrompts reads a file of prompts: JSON objects, one a line, from *.jsonl;
// else text, a prompt a line. Blank lines are passed over.
func readPrompts(path string, endpoint config.Endpoint) ([]prompt, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading prompts_file: %w", err)
	}
	return parsePrompts(text, path, endpoint)
}

func parsePrompts(text []byte, path string, endpoint config.Endpoint) ([]prompt, error) {
	parse := parseText
	if strings.EqualFold(filepath.Ext(path), ".jsonl") {
		parse = parseJSON
	}
	var prompts []prompt
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if !utf8.Valid(line) {
			return nil, fmt.Errorf("prompts_file %s:%d: the line has bytes that are no UTF-8", path, number)
		}
		p, err := parse(line, endpoint)
		if err != nil {
			return nil, fmt.Errorf("prompts_file %s:%d: %w", path, number, err)
		}
		prompts = append(prompts, p)
	}
	if len(prompts) == 0 {
		return nil, fmt.Errorf("prompts_file %s holds no prompt", path)
	}
	return prompts, nil
}

func parseText(line []byte, endpoint config.Endpoint) (prompt, error) {
	return promptOf(string(line), endpoint)
}

// promptOf puts a prompt's text into the form of the endpoint.
func promptOf(text string, endpoint config.Endpoint) (prompt, error) {
	key, value := "prompt", any(text)
	if endpoint == config.Chat {
		key, value = "messages", []map[string]string{{"role": "user", "content": text}}
	}
	raw, err := json.Marshal(value)
	return prompt{json: member(key, raw)}, err
}

// object is a line of a *.jsonl file.
type object struct {
	Prompt       json.RawMessage `json:"prompt"`
	Messages     json.RawMessage `json:"messages"`
	OutputTokens *int            `json:"output_tokens"`
}

func parseJSON(line []byte, endpoint config.Endpoint) (made prompt, err error) {
	o, err := decodeObject(line)
	if err != nil {
		return prompt{}, fmt.Errorf(`not an object with "prompt" or "messages", and perhaps "output_tokens": %w`, err)
	}
	switch {
	case (o.Prompt != nil) == (o.Messages != nil):
		return prompt{}, errors.New(`one of "prompt" and "messages" is needed`)
	case o.Messages != nil:
		made, err = parseMessages(o.Messages, endpoint)
	default:
		made, err = parsePrompt(o.Prompt, endpoint)
	}
	if n := o.OutputTokens; n != nil && err == nil {
		if *n < 1 || *n > config.MaxLength {
			return prompt{}, fmt.Errorf(`"output_tokens" is %d, allowed is 1 to %d`, *n, config.MaxLength)
		}
		made.outputTokens = *n
	}
	return made, err
}

func decodeObject(line []byte) (o object, err error) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	var kind *json.UnmarshalTypeError
	switch err = decoder.Decode(&o); {
	case errors.As(err, &kind) && kind.Field != "":
		return o, fmt.Errorf("%q is a JSON %s", kind.Field, kind.Value)
	case errors.As(err, &kind):
		return o, fmt.Errorf("it is a JSON %s", kind.Value)
	case err != nil:
		return o, err
	}
	if _, err = decoder.Token(); !errors.Is(err, io.EOF) {
		return o, errors.New("more follows the object")
	}
	return o, nil
}

func parseMessages(raw json.RawMessage, endpoint config.Endpoint) (prompt, error) {
	if endpoint != config.Chat {
		return prompt{}, errors.New(`"messages" are for endpoint: chat`)
	}
	var messages []struct {
		Role string `json:"role"`
	}
	if json.Unmarshal(raw, &messages) != nil || len(messages) == 0 {
		return prompt{}, errors.New(`"messages" are no list of messages, or are empty`)
	}
	for _, m := range messages {
		if m.Role == "" {
			return prompt{}, errors.New(`one of "messages" has no "role"`)
		}
	}
	return prompt{json: member("messages", raw)}, nil
}

// parsePrompt takes a text or, for completions, a list of token ids.
func parsePrompt(raw json.RawMessage, endpoint config.Endpoint) (prompt, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" {
		return promptOf(text, endpoint)
	}
	var ids []*uint32
	if json.Unmarshal(raw, &ids) != nil || len(ids) == 0 || slices.Contains(ids, nil) {
		return prompt{}, errors.New(`"prompt" is neither a text nor a list of token ids, or is empty`)
	}
	if endpoint == config.Chat {
		return prompt{}, errors.New("a prompt of token ids is for endpoint: completions")
	}
	return prompt{json: member("prompt", raw), tokens: len(ids)}, nil
}

func member(key string, value []byte) []byte {
	return append([]byte(`"`+key+`":`), value...)
}
