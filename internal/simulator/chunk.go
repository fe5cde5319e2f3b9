package simulator

import (
	"fmt"
	"strings"
	"time"
)

// chunks makes the JSON of one answer, whole or in a stream's events, with the
// keys that vLLM's own answers have, in their order.
type chunks struct {
	query  *query
	chat   bool
	cached int    // tokens of the prompt that the prefix cache held
	head   string // what all events of an answer begin with
}

// fingerprint stands on the last event of a stream and in whole answers.
const fingerprint = `"system_fingerprint":"vllm-` + version + `-simulated"`

func newChunks(q *query, chat bool, id, model string, cached int) *chunks {
	c := &chunks{query: q, chat: chat, cached: cached}
	prefix, object := "cmpl-", "text_completion"
	if chat {
		prefix, object = "chatcmpl-", "chat.completion"
	}
	if chat && q.Stream {
		object += ".chunk"
	}
	c.head = fmt.Sprintf(`{"id":%s,"object":%q,"created":%d,"model":%s,"choices":[`,
		marshal(prefix+id), object, time.Now().Unix(), marshal(model))
	return c
}

// role is the event that begins a chat's stream.
func (c *chunks) role() string {
	return c.head + `{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]` +
		c.running(0) + `,"prompt_token_ids":` + c.promptIDs() + `,"prompt_text":null}`
}

// tokens is the event of the latest n tokens, with which so many have been sent.
// A reason says that they are the last.
func (c *chunks) tokens(n, sent int, reasoning bool, reason string) string {
	var b strings.Builder
	b.WriteString(c.head)
	text := strings.Repeat(" token", n)
	finish := "null"
	if reason != "" {
		finish = `"` + reason + `"`
	}
	if c.chat {
		key := "content"
		if reasoning {
			key = "reasoning"
		}
		fmt.Fprintf(&b, `{"index":0,"delta":{%q:%q},"logprobs":null,"finish_reason":%s,`, key, text, finish)
		if reason != "" {
			b.WriteString(`"stop_reason":null,`)
		}
	} else {
		prompt := "null"
		if sent == n {
			prompt = c.promptIDs()
		}
		fmt.Fprintf(&b, `{"index":0,"text":%q,"logprobs":null,"finish_reason":%s,"stop_reason":null,"prompt_token_ids":%s,`, text, finish, prompt)
	}
	fmt.Fprintf(&b, `"token_ids":%s}]%s`, c.ids(n), c.running(sent))
	if reason != "" && !c.query.includesUsage() {
		b.WriteString("," + fingerprint)
	}
	b.WriteString("}")
	return b.String()
}

// final is the event with the usage, which has no choices.
func (c *chunks) final(sent int) string {
	return fmt.Sprintf(`%s],"usage":{%s,%s},%s}`, c.head, c.usage(sent), c.details(), fingerprint)
}

// whole is an answer without a stream.
func (c *chunks) whole(sent int, reason string) string {
	text := strings.Repeat(" token", sent)
	choice := fmt.Sprintf(`"text":%q`, text)
	if c.chat {
		choice = fmt.Sprintf(`"message":{"role":"assistant","content":%q,"reasoning":null}`, text)
	}
	choice += fmt.Sprintf(`,"logprobs":null,"finish_reason":%q,"stop_reason":null,"token_ids":%s`, reason, c.ids(sent))
	if !c.chat {
		choice += `,"prompt_token_ids":` + c.promptIDs()
	}
	return fmt.Sprintf(`%s{"index":0,%s}],"service_tier":null,%s,"usage":{%s,%s,"completion_tokens_details":null}}`,
		c.head, choice, fingerprint, c.usage(sent), c.details())
}

func (c *chunks) usage(sent int) string {
	return fmt.Sprintf(`"prompt_tokens":%d,"total_tokens":%d,"completion_tokens":%d`, len(c.query.ids), len(c.query.ids)+sent, sent)
}

func (c *chunks) details() string {
	return fmt.Sprintf(`"prompt_tokens_details":{"cached_tokens":%d}`, c.cached)
}

// running is the usage so far, where each event is to have it.
func (c *chunks) running(sent int) string {
	switch {
	case !c.query.usageInEachChunk():
		return ""
	case c.chat:
		return `,"usage":{` + c.usage(sent) + `,"completion_tokens_details":null}`
	default:
		return `,"usage":{` + c.usage(sent) + `}`
	}
}

// ids are n token ids where they are asked for.
func (c *chunks) ids(n int) string {
	if !c.query.ReturnTokenIDs {
		return "null"
	}
	return "[" + strings.TrimSuffix(strings.Repeat("1000,", n), ",") + "]"
}

func (c *chunks) promptIDs() string {
	if !c.query.ReturnTokenIDs {
		return "null"
	}
	return string(marshal(c.query.ids))
}
