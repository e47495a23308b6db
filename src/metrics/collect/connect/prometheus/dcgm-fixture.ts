/** What dcgm-exporter 3.3 answers on a host of two GPUs, one of which can't say how busy and how hot it is. */
const gpu = (index: number) =>
  `gpu="${index}",UUID="GPU-6e2f${index}",pci_bus_id="00000000:0${index}:00.0",device="nvidia${index}",modelName="NVIDIA A100-SXM4-40GB",Hostname="gpu-01"`;

export const DCGM = `# HELP DCGM_FI_DEV_GPU_TEMP GPU temperature (in C).
# TYPE DCGM_FI_DEV_GPU_TEMP gauge
DCGM_FI_DEV_GPU_TEMP{${gpu(0)}} 61
DCGM_FI_DEV_GPU_TEMP{${gpu(1)}} 9223372036854775794
# HELP DCGM_FI_DEV_POWER_USAGE Power draw (in W).
# TYPE DCGM_FI_DEV_POWER_USAGE gauge
DCGM_FI_DEV_POWER_USAGE{${gpu(0)}} 250.500000
DCGM_FI_DEV_POWER_USAGE{${gpu(1)}} 51.250000
# HELP DCGM_FI_DEV_GPU_UTIL GPU utilization (in %).
# TYPE DCGM_FI_DEV_GPU_UTIL gauge
DCGM_FI_DEV_GPU_UTIL{${gpu(0)}} 97
DCGM_FI_DEV_GPU_UTIL{${gpu(1)}} 9223372036854775794
# HELP DCGM_FI_DEV_XID_ERRORS Value of the last XID error encountered.
# TYPE DCGM_FI_DEV_XID_ERRORS gauge
DCGM_FI_DEV_XID_ERRORS{${gpu(0)},err_code="0",err_msg="No Error"} 0
DCGM_FI_DEV_XID_ERRORS{${gpu(1)},err_code="79",err_msg="GPU has fallen off the bus"} 79
# HELP DCGM_FI_DEV_FB_FREE Frame buffer memory free (in MB).
# TYPE DCGM_FI_DEV_FB_FREE gauge
DCGM_FI_DEV_FB_FREE{${gpu(0)}} 10000
DCGM_FI_DEV_FB_FREE{${gpu(1)}} 39500
# HELP DCGM_FI_DEV_FB_USED Frame buffer memory used (in MB).
# TYPE DCGM_FI_DEV_FB_USED gauge
DCGM_FI_DEV_FB_USED{${gpu(0)}} 29500
DCGM_FI_DEV_FB_USED{${gpu(1)}} 0
# HELP DCGM_FI_DEV_FB_RESERVED Frame buffer memory reserved (in MB).
# TYPE DCGM_FI_DEV_FB_RESERVED gauge
DCGM_FI_DEV_FB_RESERVED{${gpu(0)}} 500
DCGM_FI_DEV_FB_RESERVED{${gpu(1)}} 500
# HELP DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL Total number of NVLink bandwidth counters for all lanes.
# TYPE DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL counter
DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL{${gpu(0)}} 0
`;
