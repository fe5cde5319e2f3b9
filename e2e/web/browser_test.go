package web

import (
	"context"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a tab that notes what it must not do.
type browser struct {
	ctx  context.Context
	host string
	file string // the URL of a file that it may read

	mu    sync.Mutex
	wrong []string
}

// open starts a browser with an empty tab. At the end of the test it must have said
// nothing on its console, shown no dialog, and asked no other host.
func open(t *testing.T, s *site) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("there is no chromium: install it, on Debian by apt-get install chromium")
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.Flag("no-sandbox", true))
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(end)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{ctx: ctx, host: u.Host}
	b.do(t, call(log.Enable, cdp.Empty{}), call(network.Enable, network.EnableParams{}), call(runtime.Enable, cdp.Empty{}))
	listen(b, runtime.ConsoleAPICalled, func(e runtime.EventConsoleAPICalled) string {
		what := []string{"console." + string(e.Type)}
		for _, a := range e.Args {
			what = append(what, string(a.Value))
		}
		return strings.Join(what, " ")
	})
	listen(b, runtime.ExceptionThrown, func(e runtime.EventExceptionThrown) string { return "exception: " + e.ExceptionDetails.Text })
	listen(b, log.EntryAdded, func(e log.EventEntryAdded) string {
		return string(e.Entry.Level) + ": " + e.Entry.Text + " " + e.Entry.URL
	})
	listen(b, page.JavascriptDialogOpening, func(e page.EventJavascriptDialogOpening) string { return "dialog: " + e.Message })
	listen(b, network.RequestWillBeSent, func(e network.EventRequestWillBeSent) string {
		if u, err := url.Parse(e.Request.URL); err == nil && u.Host == b.host || strings.HasPrefix(e.Request.URL, "about:") || e.Request.URL == b.file {
			return ""
		}
		return "request to " + e.Request.URL
	})
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, what := range b.wrong {
			t.Error("the browser: " + what)
		}
	})
	return b
}

// call is a command of the browser's protocol whose answer does not matter.
func call[P, R any](command cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, command, params)
		return err
	})
}

// listen notes what events of a kind are that should not have come; an empty text is
// one that may.
func listen[E any](b *browser, event cdp.Event[E], wrong func(E) string) {
	events := cdp.Events(b.ctx, chromedp.FromContext(b.ctx).Target, event)
	go func() {
		for e, err := range events {
			if err != nil {
				return
			}
			if what := wrong(e); what != "" {
				b.mu.Lock()
				b.wrong = append(b.wrong, what)
				b.mu.Unlock()
			}
		}
	}()
}

func (b *browser) do(t *testing.T, actions ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

// forgive forgets what the browser said that has one of some texts in it.
func (b *browser) forgive(texts ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = slices.DeleteFunc(b.wrong, func(what string) bool {
		return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(what, text) })
	})
}

// eval is the value of an expression in the page.
func eval[T any](t *testing.T, b *browser, expression string) (value T) {
	t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// until waits for an expression to be true.
func (b *browser) until(t *testing.T, what, expression string) {
	t.Helper()
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if eval[bool](t, b, expression) {
			return
		}
	}
	t.Fatalf("never: %s; the page says\n%s", what, eval[string](t, b, "document.body.innerText"))
}

// look is a way to look at a page.
type look struct {
	name          string
	width, height int64
	dark          bool
}

var looks = []look{{"light", 1280, 900, false}, {"dark", 1280, 900, true}, {"narrow", 375, 800, false}, {"narrow-dark", 375, 800, true}}

// as makes the browser look so.
func (b *browser) as(t *testing.T, l look) {
	t.Helper()
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	b.do(t,
		call(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: l.width, Height: l.height, DeviceScaleFactor: 1, Mobile: l.width < 500,
		}),
		call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}))
}
