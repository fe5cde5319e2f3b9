package gpu

// Metric is a figure of a GPU, or of a MIG instance.
type Metric int

// The metrics, with their units in their names' ends.
const (
	UtilizationRatio Metric = iota
	MemoryActivityRatio
	MemoryTotalBytes
	MemoryUsedBytes
	MemoryReservedBytes
	PowerAverageWatts
	PowerInstantWatts
	PowerLimitWatts
	EnergyJoules
	TemperatureCelsius
	MemoryTemperatureCelsius
	SMClockHertz
	SMClockMaxHertz
	MemoryClockHertz
	ClockEventSeconds
	PerformanceState
	ECCErrors
	RemappedRows
	RowRemapPending
	RowRemapFailure
	XIDErrors
	XIDLastSeconds
	PCIeTransmittedBytes
	PCIeReceivedBytes
	PCIeReplays
	NVLinkTransmittedBytes
	NVLinkReceivedBytes
	SMActiveRatio
	SMOccupancyRatio
	TensorActiveRatio
	DRAMActiveRatio
	FP16ActiveRatio
	FP32ActiveRatio
	FP64ActiveRatio
	MIGMemoryTotalBytes
	MIGMemoryUsedBytes
	// MetricCount is how many metrics there are.
	MetricCount
)

// Description is what a metric is called and what it means.
type Description struct {
	Name, Help string
	// Counter says that the figure only rises, but for the reload of a driver.
	Counter bool
	// Label tells several figures of a GPU apart; it is empty where there is one.
	Label string
}

// Describe describes a metric.
func (m Metric) Describe() Description { return descriptions[m] }

var descriptions = [MetricCount]Description{
	UtilizationRatio:    {Name: "gpu_utilization_ratio", Help: "Share of the time in which a kernel ran on the GPU."},
	MemoryActivityRatio: {Name: "gpu_memory_activity_ratio", Help: "Share of the time in which the GPU's memory was read or written."},
	MemoryTotalBytes:    {Name: "gpu_memory_total_bytes", Help: "Size of the GPU's memory."},
	MemoryUsedBytes:     {Name: "gpu_memory_used_bytes", Help: "Memory of the GPU that is in use."},
	MemoryReservedBytes: {Name: "gpu_memory_reserved_bytes", Help: "Memory of the GPU that the driver keeps for itself."},
	PowerAverageWatts:   {Name: "gpu_power_average_watts", Help: "Power that the GPU drew, averaged over the second before."},
	PowerInstantWatts:   {Name: "gpu_power_instant_watts", Help: "Power that the GPU draws at this moment."},
	PowerLimitWatts:     {Name: "gpu_power_limit_watts", Help: "Power limit that is in force."},
	EnergyJoules:        {Name: "gpu_energy_joules_total", Help: "Energy that the GPU took since its driver was loaded.", Counter: true},
	TemperatureCelsius:  {Name: "gpu_temperature_celsius", Help: "Temperature of the GPU's chip."},
	MemoryTemperatureCelsius: {
		Name: "gpu_memory_temperature_celsius", Help: "Temperature of the GPU's memory.",
	},
	SMClockHertz:     {Name: "gpu_sm_clock_hertz", Help: "Clock of the streaming multiprocessors."},
	SMClockMaxHertz:  {Name: "gpu_sm_clock_max_hertz", Help: "Highest clock that the streaming multiprocessors can have."},
	MemoryClockHertz: {Name: "gpu_memory_clock_hertz", Help: "Clock of the GPU's memory."},
	ClockEventSeconds: {
		Name: "gpu_clock_event_seconds_total", Help: "Time in which the clocks were held down, by reason.", Counter: true, Label: "reason",
	},
	PerformanceState: {Name: "gpu_performance_state", Help: "Performance state, from 0 (the fastest) to 15."},
	ECCErrors: {
		Name: "gpu_ecc_errors_total", Help: "Errors of memory over the GPU's life, by whether they were corrected.", Counter: true, Label: "type",
	},
	RemappedRows: {
		Name: "gpu_remapped_rows_total", Help: "Rows of memory that were replaced, by the errors that they had.", Counter: true, Label: "type",
	},
	RowRemapPending: {Name: "gpu_row_remap_pending", Help: "Whether rows wait for a reset of the GPU to be replaced."},
	RowRemapFailure: {Name: "gpu_row_remap_failure", Help: "Whether replacing a row has failed: the GPU needs to be replaced."},
	XIDErrors:       {Name: "gpu_xid_errors_total", Help: "XID errors that the driver reported while this process looked.", Counter: true},
	XIDLastSeconds:  {Name: "gpu_xid_last_timestamp_seconds", Help: "When an XID error was last seen, by its number.", Label: "xid"},
	PCIeTransmittedBytes: {
		Name: "gpu_pcie_transmitted_bytes_total", Help: "Bytes that the GPU sent over PCIe.", Counter: true,
	},
	PCIeReceivedBytes: {Name: "gpu_pcie_received_bytes_total", Help: "Bytes that the GPU received over PCIe.", Counter: true},
	PCIeReplays:       {Name: "gpu_pcie_replays_total", Help: "Packets that PCIe had to send again.", Counter: true},
	NVLinkTransmittedBytes: {
		Name: "gpu_nvlink_transmitted_bytes_total", Help: "Bytes of data that the GPU sent over all its NVLinks.", Counter: true,
	},
	NVLinkReceivedBytes: {
		Name: "gpu_nvlink_received_bytes_total", Help: "Bytes of data that the GPU received over all its NVLinks.", Counter: true,
	},
	SMActiveRatio:       {Name: "gpu_sm_active_ratio", Help: "Share of the streaming multiprocessors' time in which they had work."},
	SMOccupancyRatio:    {Name: "gpu_sm_occupancy_ratio", Help: "Share of the warps that could be resident which were."},
	TensorActiveRatio:   {Name: "gpu_tensor_active_ratio", Help: "Share of the time in which the tensor cores worked."},
	DRAMActiveRatio:     {Name: "gpu_dram_active_ratio", Help: "Share of the memory's bandwidth that was used."},
	FP16ActiveRatio:     {Name: "gpu_fp16_active_ratio", Help: "Share of the time in which the FP16 pipes worked, those of tensor cores apart."},
	FP32ActiveRatio:     {Name: "gpu_fp32_active_ratio", Help: "Share of the time in which the FP32 pipes worked."},
	FP64ActiveRatio:     {Name: "gpu_fp64_active_ratio", Help: "Share of the time in which the FP64 pipes worked."},
	MIGMemoryTotalBytes: {Name: "gpu_mig_memory_total_bytes", Help: "Size of a MIG instance's memory."},
	MIGMemoryUsedBytes:  {Name: "gpu_mig_memory_used_bytes", Help: "Memory of a MIG instance that is in use."},
}
