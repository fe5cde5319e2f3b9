//go:build linux

package main

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"vllm_prober/internal/gpu"
	"vllm_prober/internal/report"
	"vllm_prober/internal/simulator"
	"vllm_prober/prober"
)

// build builds the program as the Makefile does, and returns its path.
func build(t *testing.T, env ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vllm_prober")
	cmd := exec.Command("go", "build", "-ldflags=-extldflags=-Wl,-z,lazy", "-o", path, ".")
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return path
}

// library makes a driver's library with gcc, and returns the folder that it is
// in.
func library(t *testing.T, defines ...string) string {
	t.Helper()
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/NVIDIA/go-nvml").Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	cmd := exec.Command("gcc", append(defines, "-shared", "-fPIC", "-w", "-DNVML_NO_UNVERSIONED_FUNC_DEFS=1",
		"-I", filepath.Join(strings.TrimSpace(string(module)), "pkg/nvml"),
		"-o", filepath.Join(folder, "libnvidia-ml.so.1"), "testdata/nvml/nvml.c")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("making the library: %v\n%s", err, out)
	}
	return folder
}

// exporter starts a built program without a prober, with the libraries of a
// folder, and waits until it serves.
func exporter(t *testing.T, binary, folder string) *served {
	t.Helper()
	address := freeAddress(t)
	d := &served{url: "http://" + address, process: &process{t: t}}
	cmd := exec.Command(binary, "serve", "--no-prober", "--collector.gpu.interval=1s", "--web.listen-address="+address)
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+folder)
	cmd.Stdout, cmd.Stderr, cmd.Dir = &d.stdout, &d.stderr, t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the process ended with %v\n%s", err, d.stderr.String())
		}
		if left, _ := os.ReadDir(cmd.Dir); len(left) > 0 {
			t.Errorf("without a prober it wrote %v", left)
		}
	})
	d.eventually("it serves", d.answers)
	return d
}

// The linked program runs with a driver's library of any age, with none, and with
// one that hangs.
func TestDriverLibraries(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("there is no gcc to make a driver's library with")
	}
	binary := build(t, "CGO_ENABLED=1")

	t.Run("bound lazily", func(t *testing.T) {
		f, err := elf.Open(binary)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		flags, err := f.DynValue(elf.DT_FLAGS)
		if err != nil {
			t.Fatal(err)
		}
		flags1, err := f.DynValue(elf.DT_FLAGS_1)
		if err != nil {
			t.Fatal(err)
		}
		now, err := f.DynValue(elf.DT_BIND_NOW)
		if err != nil {
			t.Fatal(err)
		}
		if len(now) > 0 || anyOf(flags, uint64(elf.DF_BIND_NOW)) || anyOf(flags1, uint64(elf.DF_1_NOW)) {
			t.Error("the program wants all of NVML's functions when it starts, and would end where the driver lacks one")
		}
		libraries, err := f.ImportedLibraries()
		if err != nil || strings.Contains(strings.Join(libraries, " "), "nvidia") {
			t.Errorf("the program wants %v to start, %v", libraries, err)
		}
	})

	t.Run("none", func(t *testing.T) {
		d := exporter(t, binary, t.TempDir())
		d.eventually("it says why", func() bool { return strings.Contains(d.stderr.String(), "libnvidia-ml.so.1 was not found") })
		d.is(`vllm_prober_collector_success{collector="gpu"}`, 0)
		if _, body := d.do("GET", "/metrics"); strings.Contains(body, "uuid=") {
			t.Errorf("there are GPUs:\n%s", body)
		}
	})

	t.Run("old", func(t *testing.T) {
		d := exporter(t, binary, library(t, "-DOLD"))
		d.is(`vllm_prober_collector_success{collector="gpu"}`, 1)
		d.is(`vllm_prober_gpu_utilization_ratio{uuid="GPU-fake"}`, 0.42)
		d.is(`vllm_prober_gpu_memory_used_bytes{uuid="GPU-fake"}`, 3<<30)
		d.is(`vllm_prober_gpu_power_instant_watts{uuid="GPU-fake"}`, 150.5)
		d.is(`vllm_prober_gpu_process_memory_used_bytes{pid="4711",uuid="GPU-fake"}`, 2<<30)
		d.is(`vllm_prober_gpu_info{cuda_version="",driver_version="390.1",index="0",name="Fake GPU",pci_bus_id="",uuid="GPU-fake"}`, 1)
	})

	t.Run("full", func(t *testing.T) {
		d := exporter(t, binary, library(t))
		d.is(`vllm_prober_gpu_sm_active_ratio{uuid="GPU-fake"}`, 0.625) // after two rounds
		d.is(`vllm_prober_gpu_info{cuda_version="12.4",driver_version="390.1",index="0",name="Fake GPU",pci_bus_id="0001:af:02.0",uuid="GPU-fake"}`, 1)
		d.is(`vllm_prober_gpu_memory_used_bytes{uuid="GPU-fake"}`, 2<<30)
		d.is(`vllm_prober_gpu_memory_reserved_bytes{uuid="GPU-fake"}`, 1<<30)
		d.is(`vllm_prober_gpu_energy_joules_total{uuid="GPU-fake"}`, 5000000000.123)
		d.is(`vllm_prober_gpu_power_average_watts{uuid="GPU-fake"}`, 145.25)
		d.is(`vllm_prober_gpu_clock_event_seconds_total{reason="sw_power_cap",uuid="GPU-fake"}`, 7.5)
		d.is(`vllm_prober_gpu_nvlink_transmitted_bytes_total{uuid="GPU-fake"}`, 2048)
		d.is(`vllm_prober_gpu_xid_errors_total{uuid="GPU-fake"}`, 1)
		d.is(`vllm_prober_gpu_process_memory_used_bytes{pid="4711",uuid="GPU-fake"}`, 2<<30)
		_, body := d.do("GET", "/metrics")
		if strings.Contains(body, "remapped_rows") {
			t.Error("what is not supported is there")
		}
		lint(t, body)
	})

	t.Run("one that hangs", func(t *testing.T) {
		d := exporter(t, binary, library(t, "-DHANGS"))
		for range 3 {
			d.is(`vllm_prober_collector_success{collector="gpu"}`, 0)
		}
	})
}

// A single run tells what the GPU did that serves its replica, and is marked where
// its clocks were held down.
func TestRunReadsGPUs(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("there is no gcc to make a driver's library with")
	}
	f := fleet(t, 1, simulator.Options{})
	config := strings.Replace(probing(f.URLs[0]), "]}]", "], gpu_uuids: [[GPU-fake]]}]", 1)
	cmd := exec.Command(build(t, "CGO_ENABLED=1"), "run", "--config.file="+write(t, "config.yml", config), "--output=json")
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+library(t, "-DBUSY"))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var result prober.RunResult
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatal(err)
	}
	r := &result.Results[0]
	g := r.GPU
	if g == nil || g.PowerWatts == nil || g.JoulesPerOutputToken == nil {
		t.Fatalf("nothing is known of the GPU: %s", out)
	}
	// 300 W; of a machine that is busy the moments of reading are not sure.
	if *g.PowerWatts < 200 || *g.PowerWatts > 400 || *g.UtilizationRatio != 0.42 || len(g.UUIDs) != 1 || g.UUIDs[0] != "GPU-fake" {
		t.Errorf("%g W, utilisation %g of %v, want 300 W and 0.42 of GPU-fake", *g.PowerWatts, *g.UtilizationRatio, g.UUIDs)
	}
	if tokens := r.OutputTokenThroughput; *g.JoulesPerOutputToken < *g.PowerWatts/tokens/1.5 || *g.JoulesPerOutputToken > *g.PowerWatts/tokens*1.5 {
		t.Errorf("%g J a token at %g W and %g tokens a second", *g.JoulesPerOutputToken, *g.PowerWatts, tokens)
	}
	if held := g.ThrottledSeconds["sw_power_cap"]; held <= 0 || held > 0.2*r.EndedAt.Sub(r.StartedAt).Seconds() {
		t.Errorf("throttled for %g s, want a tenth of the step", held)
	}
	if note := report.Note(r); !strings.Contains(note, "throttled: sw_power_cap for ") {
		t.Errorf("the note is %q", note)
	}

	cmd = exec.Command(cmd.Path, append(cmd.Args[1:], "--no-collector.gpu")...)
	if out, err = cmd.Output(); err != nil || bytes.Contains(out, []byte("GPU-fake")) {
		t.Errorf("without the collector: %v\n%s", err, out)
	}
}

func anyOf(values []uint64, flag uint64) bool {
	for _, v := range values {
		if v&flag != 0 {
			return true
		}
	}
	return false
}

// lint holds a page to Prometheus's conventions.
func lint(t *testing.T, page string) {
	t.Helper()
	problems, err := promlint.New(bytes.NewBufferString(page)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// The demo shows a GPU for each replica, with its load, and all its page keeps to
// Prometheus's conventions.
func TestDemoShowsGPUs(t *testing.T) {
	if _, err := gpu.NVML(); err != nil {
		t.Skip(err)
	}
	address := freeAddress(t)
	d := &served{url: "http://" + address, process: start(t, "demo", "--collector.gpu.interval=1s", "--web.listen-address="+address)}
	t.Cleanup(func() {
		d.signal(syscall.SIGTERM)
		d.signal(syscall.SIGTERM)
		<-d.ended
	})
	d.eventually("it serves", d.answers)
	d.is(`vllm_prober_gpu_utilization_ratio{uuid="GPU-00000000-0000-4000-8000-000000000000"}`, 1)
	_, page := d.do("GET", "/metrics")
	lint(t, page)
	for series, want := range map[string]int{"vllm_prober_gpu_info{": 8, "vllm_prober_gpu_energy_joules_total{": 8, "vllm_prober_replica_gpu_info{": 8} {
		if n := strings.Count(page, "\n"+series); n != want {
			t.Errorf("%d series %s…}, want %d", n, series, want)
		}
	}
}

// Built without cgo the program runs, and says what it lacks.
func TestWithoutCGO(t *testing.T) {
	d := exporter(t, build(t, "CGO_ENABLED=0"), t.TempDir())
	if want := "built without NVML, which needs Linux and CGO_ENABLED=1"; strings.Count(d.stderr.String(), want) != 1 {
		t.Errorf("it does not say once %q:\n%s", want, d.stderr.String())
	}
	if _, body := d.do("GET", "/metrics"); strings.Contains(body, "_gpu_") {
		t.Errorf("there are metrics of GPUs:\n%s", body)
	}
}
