package workload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"vllm_prober/internal/config"
)

// prompt is one prompt of a file.
type prompt struct {
	json         []byte // its key and value in a request's body
	ids          []int  // where it is given as token ids
	outputTokens int    // 0: as the workload says
}

// readPrompts reads a file of prompts: JSON objects, one a line, from *.jsonl;
// else text, a prompt a line. Blank lines are passed over.
func readPrompts(path string, endpoint config.Endpoint) ([]prompt, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading prompts_file: %w", err)
	}
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

func parseJSON(line []byte, endpoint config.Endpoint) (prompt, error) {
	var object struct {
		Prompt       json.RawMessage `json:"prompt"`
		Messages     json.RawMessage `json:"messages"`
		OutputTokens int             `json:"output_tokens"`
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&object); err != nil {
		return prompt{}, fmt.Errorf(`not an object with "prompt" or "messages", and perhaps "output_tokens": %w`, err)
	}
	p, err := object.Prompt, error(nil)
	var made prompt
	switch {
	case (p != nil) == (object.Messages != nil):
		return prompt{}, errors.New(`one of "prompt" and "messages" is needed`)
	case object.OutputTokens < 0:
		return prompt{}, fmt.Errorf(`"output_tokens" is %d, allowed is 1 or more`, object.OutputTokens)
	case object.Messages != nil && endpoint != config.Chat:
		return prompt{}, errors.New(`"messages" are for endpoint: chat`)
	case object.Messages != nil:
		made.json = member("messages", object.Messages)
	default:
		made, err = parsePrompt(p, endpoint)
	}
	made.outputTokens = object.OutputTokens
	return made, err
}

// parsePrompt takes a string or, for completions, a list of token ids.
func parsePrompt(raw json.RawMessage, endpoint config.Endpoint) (prompt, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" {
		return promptOf(text, endpoint)
	}
	var ids []int
	if json.Unmarshal(raw, &ids) != nil || len(ids) == 0 {
		return prompt{}, errors.New(`"prompt" is neither a text nor a list of token ids, or is empty`)
	}
	if endpoint == config.Chat {
		return prompt{}, errors.New("a prompt of token ids is for endpoint: completions")
	}
	return prompt{json: member("prompt", raw), ids: ids}, nil
}

func member(key string, value []byte) []byte {
	return append([]byte(`"`+key+`":`), value...)
}
