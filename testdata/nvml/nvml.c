/* A libnvidia-ml.so.1 for tests, of one GPU. With OLD it lacks whatever drivers
 * before 2018 lacked. With HANGS a call of it never returns. With BUSY it takes
 * 300 W, and its power limit holds its clocks down for a tenth of the time. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nvml.h"

/* Handles are structs of a pointer in this nvml.h, which nobody follows. */
static char things[4];
static nvmlDevice_t gpu = {(void *)&things[0]};

static nvmlReturn_t text(char *to, unsigned int length, const char *from)
{
	if (strlen(from) + 1 > length)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	strcpy(to, from);
	return NVML_SUCCESS;
}

/* Milliseconds on a clock that only goes forward. */
static unsigned long long milliseconds(void)
{
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000ULL + at.tv_nsec / 1000000;
}

nvmlReturn_t nvmlInit_v2(void) { return NVML_SUCCESS; }
nvmlReturn_t nvmlShutdown(void) { return NVML_SUCCESS; }
const char *nvmlErrorString(nvmlReturn_t result) { return result == NVML_SUCCESS ? "success" : "failure"; }
nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length) { return text(version, length, "390.1"); }

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
	*count = 1;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
	*device = gpu;
	return index == 0 ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length) { return text(uuid, length, "GPU-fake"); }
nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length) { return text(name, length, "Fake GPU"); }

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization)
{
#ifdef HANGS
	for (;;)
		pause();
#endif
	utilization->gpu = 42;
	utilization->memory = 17;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
	memory->total = 16ULL << 30;
	memory->used = 3ULL << 30;
	memory->free = 13ULL << 30;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *power)
{
	*power = 150500;
	return NVML_SUCCESS;
}

#ifdef OLD

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_v1_t *infos)
{
	*count = 1;
	infos[0].pid = 4711;
	infos[0].usedGpuMemory = 2ULL << 30;
	return NVML_SUCCESS;
}

#else

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos)
{
	*count = 1;
	infos[0].pid = 4711;
	infos[0].usedGpuMemory = 2ULL << 30;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version)
{
	*version = 12040;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
	pci->domain = 1;
	pci->bus = 0xaf;
	pci->device = 2;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
	if (memory->version != nvmlMemory_v2)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	memory->total = 16ULL << 30;
	memory->reserved = 1ULL << 30;
	memory->used = 2ULL << 30;
	memory->free = 13ULL << 30;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *energy)
{
	*energy = 5000000000123ULL;
#ifdef BUSY
	*energy += 300 * milliseconds();
#endif
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corr, unsigned int *unc, unsigned int *pending, unsigned int *failed)
{
	return NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values)
{
	for (int i = 0; i < count; i++) {
		values[i].nvmlReturn = NVML_SUCCESS;
		values[i].valueType = NVML_VALUE_TYPE_UNSIGNED_LONG_LONG;
		switch (values[i].fieldId) {
		case NVML_FI_DEV_POWER_AVERAGE:
			values[i].valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
			values[i].value.uiVal = 145250;
			break;
		case NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP:
			values[i].value.ullVal = 7500000000ULL;
#ifdef BUSY
			values[i].value.ullVal += 100000 * milliseconds();
#endif
			break;
		case NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX:
			values[i].value.ullVal = 2;
			values[i].nvmlReturn = values[i].scopeId == ~0U ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
			break;
		default:
			values[i].nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
		}
	}
	return NVML_SUCCESS;
}

/* One XID error, once. */
nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set)
{
	set->handle = (void *)&things[1];
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) { return NVML_SUCCESS; }
nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set) { return NVML_SUCCESS; }

nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeout)
{
	static int told;
	if (told++)
		return NVML_ERROR_TIMEOUT;
	data->device = gpu;
	data->eventType = nvmlEventTypeXidCriticalError;
	data->eventData = 31;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpmQueryDeviceSupport(nvmlDevice_t device, nvmlGpmSupport_t *support)
{
	support->isSupportedDevice = 1;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpmSampleAlloc(nvmlGpmSample_t *sample)
{
	static int next;
	sample->handle = (void *)&things[2 + next++ % 2];
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpmSampleFree(nvmlGpmSample_t sample) { return NVML_SUCCESS; }
nvmlReturn_t nvmlGpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t sample) { return NVML_SUCCESS; }

nvmlReturn_t nvmlGpmMetricsGet(nvmlGpmMetricsGet_t *asked)
{
	if (asked->version != NVML_GPM_METRICS_GET_VERSION || asked->sample1.handle == asked->sample2.handle)
		return NVML_ERROR_INVALID_ARGUMENT;
	for (unsigned int i = 0; i < asked->numMetrics; i++) {
		asked->metrics[i].nvmlReturn = asked->metrics[i].metricId == NVML_GPM_METRIC_SM_UTIL ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
		asked->metrics[i].value = 62.5;
	}
	return NVML_SUCCESS;
}

#endif
