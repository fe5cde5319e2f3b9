package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// What the daemon has to keep.
const (
	maxIdleRSS = 40e6 // bytes
	maxScrape  = 50 * time.Millisecond
)

// daemonFigures are what the daemon takes when it does not probe.
type daemonFigures struct {
	idleRSS int64 // bytes
	scrapes []scrape
}

// scrape is what it takes to serve /metrics with the series of many steps.
type scrape struct {
	format string
	// median is of scrapes between which no step ended, afterStep of those that
	// each came after one.
	median, afterStep time.Duration
}

// measureDaemon measures the daemon between its runs, and scrapes.
func measureDaemon(ctx context.Context, binary, folder, server string) (f daemonFigures, err error) {
	fmt.Fprintln(os.Stderr, "an idle daemon, and scrapes …")
	if f.idleRSS, err = idleRSS(ctx, binary, folder, server); err != nil {
		return f, err
	}
	cmd, err := part(ctx, serverCore, "exposition", "")
	if err != nil {
		return f, err
	}
	url, stop, err := listening(cmd)
	if err != nil {
		return f, err
	}
	defer stop()
	for _, format := range []struct{ name, accept string }{
		{"text", "text/plain;version=0.0.4"},
		{"protobuf", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"},
	} {
		s := scrape{format: format.name}
		if s.median, err = scrapeTime(ctx, url, format.accept, false); err != nil {
			return f, err
		}
		if s.afterStep, err = scrapeTime(ctx, url, format.accept, true); err != nil {
			return f, err
		}
		f.scrapes = append(f.scrapes, s)
	}
	return f, nil
}

func printDaemon(w io.Writer, f daemonFigures) {
	verdict := func(kept bool) string {
		if kept {
			return "kept"
		}
		return "MISSED"
	}
	rows := [][]string{
		{"daemon", "measured", "limit", "verdict"},
		{"resident memory between runs", megabytes(f.idleRSS) + " MB", megabytes(maxIdleRSS) + " MB", verdict(f.idleRSS <= maxIdleRSS)},
	}
	for _, s := range f.scrapes {
		for _, each := range []struct {
			when string
			took time.Duration
		}{{"", s.median}, {", the first after a step", s.afterStep}} {
			rows = append(rows, []string{
				fmt.Sprintf("scrape of %d steps' series in %s%s", steps, s.format, each.when),
				number(each.took.Seconds()*1e3, 1) + " ms", number(maxScrape.Seconds()*1e3, 0) + " ms", verdict(each.took <= maxScrape),
			})
		}
	}
	printTable(w, rows)
}

// idleRSS is the memory of a daemon that has made a run and waits for the next.
func idleRSS(ctx context.Context, binary, folder, server string) (int64, error) {
	file := filepath.Join(folder, "idle.yml")
	text := fmt.Sprintf(`
targets: [{name: fixed, replicas: [%s]}]
probes:
- {name: idle, schedule: {interval: 24h}, arms: [{target: fixed}], ladder: {rates: [10], warmup: 0s, window: 1s}}
`, server)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return 0, fmt.Errorf("writing the configuration of an idle daemon: %w", err)
	}
	address, err := freeAddress()
	if err != nil {
		return 0, err
	}
	cmd := pinned(ctx, clientCore, binary, "serve", "--config.file="+file, "--web.listen-address="+address,
		"--storage.path=", "--log.level=error")
	cmd.Dir = folder
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("starting an idle daemon: %w", err)
	}
	defer func() {
		_ = cmd.Process.Kill() // it has nothing to lose
		_ = cmd.Wait()
	}()
	ran := []byte(`vllm_prober_runs_total{probe="idle",result="success"} 1`)
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if page, err := get(ctx, "http://"+address+"/metrics", http.Header{}); err == nil && bytes.Contains(page, ran) {
			break
		}
		if time.Since(begin) > 20*time.Second {
			return 0, fmt.Errorf("waiting for the run of a daemon on %s: none has succeeded after 20 s", address)
		}
	}
	time.Sleep(5 * time.Second)
	return memory(strconv.Itoa(cmd.Process.Pid), "VmRSS")
}

func freeAddress() (string, error) {
	listener, err := listen()
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func listen() (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening on a free port: %w", err)
	}
	return listener, nil
}

// scrapeTime is the median time of scrapes that ask for compression, as those of
// Prometheus do, each after the end of a step or none.
func scrapeTime(ctx context.Context, url, accept string, afterStep bool) (time.Duration, error) {
	var took []time.Duration
	for range 20 {
		if afterStep {
			if _, err := get(ctx, url+"/step", http.Header{}); err != nil {
				return 0, err
			}
		}
		begin := time.Now()
		if _, err := get(ctx, url+"/metrics", http.Header{"Accept": {accept}, "Accept-Encoding": {"gzip"}}); err != nil {
			return 0, err
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// get fetches a page.
func get(ctx context.Context, url string, header http.Header) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("fetching %s: %w", url, err)
	}
	request.Header = header
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err // names the URL
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("fetching %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetching %s: status %s", url, resp.Status)
	}
	return page, nil
}
