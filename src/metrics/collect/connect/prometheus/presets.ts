/**
 * Ready mappings, in the very form in which a config file has its own. A counter is taken as its rate a second where
 * nothing else is said, and of several rules of one metric the largest value counts.
 */
export const PRESETS = {
  /** Prometheus' node_exporter: a worker a machine. */
  node_exporter: {
    workers: { id: "{{nodename}}", type: "node", hostname: "{{nodename}}", join: "node_uname_info" },
    facts: [
      { fact: "cpu_model", series: "node_cpu_info", label: "model_name" },
      { fact: "version", series: "node_uname_info", label: "release" },
    ],
    capabilities: [
      {
        capability: "cpu_cores",
        series: 'node_cpu_seconds_total{mode="idle"}',
        by: "cpu",
        agg: "count",
      },
      { capability: "memory_bytes", series: "node_memory_MemTotal_bytes" },
      { capability: "disk_bytes", series: 'node_filesystem_size_bytes{mountpoint="/"}', agg: "max" },
    ],
    metrics: [
      {
        metric: "cpu_utilization",
        series: 'node_cpu_seconds_total{mode!~"idle|iowait"}',
        of: "node_cpu_seconds_total",
        scale: 100,
      },
      {
        metric: "memory_utilization",
        series: "node_memory_MemTotal_bytes",
        minus: "node_memory_MemAvailable_bytes",
        of: "node_memory_MemTotal_bytes",
        scale: 100,
      },
      {
        metric: "memory_bytes",
        series: "node_memory_MemTotal_bytes",
        minus: "node_memory_MemAvailable_bytes",
      },
      // Busy time of the busiest disk.
      {
        metric: "io_utilization",
        series: 'node_disk_io_time_seconds_total{device!~"(zram|loop|ram).*"}',
        agg: "max",
        scale: 100,
      },
      {
        metric: "disk_utilization",
        series: 'node_filesystem_size_bytes{mountpoint="/"}',
        minus: 'node_filesystem_avail_bytes{mountpoint="/"}',
        of: 'node_filesystem_size_bytes{mountpoint="/"}',
        by: "device",
        agg: "max",
        scale: 100,
      },
      { metric: "load_average", series: "node_load1" },
      // What containers and bridges pass on went through a link of the machine already.
      {
        metric: "network_receive_bytes_per_second",
        series: 'node_network_receive_bytes_total{device!~"lo|(veth|docker|br-|virbr|cali|flannel|cni).*"}',
      },
      {
        metric: "network_transmit_bytes_per_second",
        series: 'node_network_transmit_bytes_total{device!~"lo|(veth|docker|br-|virbr|cali|flannel|cni).*"}',
      },
      // The busier direction of the busiest link whose speed is known.
      {
        metric: "network_utilization",
        series: "node_network_receive_bytes_total",
        of: "node_network_speed_bytes",
        by: "device",
        agg: "max",
        scale: 100,
      },
      {
        metric: "network_utilization",
        series: "node_network_transmit_bytes_total",
        of: "node_network_speed_bytes",
        by: "device",
        agg: "max",
        scale: 100,
      },
    ],
  },
  /** HAProxy's own exporter: a worker a server of a back-end. */
  haproxy: {
    workers: { id: "{{proxy}}/{{server}}", type: "{{proxy}}", hostname: "{{server}}" },
    facts: [
      {
        fact: "status",
        series: "haproxy_server_status",
        label: "state",
        values: { UP: "active", DOWN: "down", MAINT: "offline", DRAIN: "draining", NOLB: "draining" },
      },
      // What its last check found, such as L7OK or L4TOUT; and what its agent said.
      { fact: "tag", series: "haproxy_server_check_status", label: "state" },
      { fact: "tag", series: "haproxy_server_agent_status", label: "state" },
    ],
    capabilities: [{ capability: "slots", series: "haproxy_server_limit_sessions" }],
    metrics: [
      { metric: "active_tasks", series: "haproxy_server_current_sessions" },
      { metric: "queued_tasks", series: "haproxy_server_current_queue" },
      {
        metric: "session_utilization",
        series: "haproxy_server_current_sessions",
        of: "haproxy_server_limit_sessions",
        scale: 100,
      },
      { metric: "completed_tasks", series: 'haproxy_server_http_responses_total{code!="5xx"}' },
      { metric: "failed_tasks", series: 'haproxy_server_http_responses_total{code="5xx"}' },
      { metric: "responses_per_second", series: "haproxy_server_http_responses_total" },
      { metric: "responses_5xx_per_second", series: 'haproxy_server_http_responses_total{code="5xx"}' },
      { metric: "sessions_per_second", series: "haproxy_server_sessions_total" },
      {
        metric: "errors_per_second",
        series: '{__name__=~"haproxy_server_(connection|response)_errors_total"}',
      },
      { metric: "check_failures_per_minute", series: "haproxy_server_check_failures_total", scale: 60 },
      { metric: "queue_time_mean_s", series: "haproxy_server_queue_time_average_seconds" },
      { metric: "response_time_mean_s", series: "haproxy_server_response_time_average_seconds" },
      { metric: "network_receive_bytes_per_second", series: "haproxy_server_bytes_in_total" },
      { metric: "network_transmit_bytes_per_second", series: "haproxy_server_bytes_out_total" },
    ],
    system: [{ metric: "queue_depth", series: "haproxy_backend_current_queue" }],
  },
  /** NVIDIA's dcgm-exporter: a worker a host, with its GPUs. */
  dcgm: {
    workers: { id: "{{Hostname}}", type: "gpu", hostname: "{{Hostname}}" },
    facts: [{ fact: "gpu_model", series: '{__name__=~"DCGM_FI_DEV_.+"}', label: "modelName" }],
    capabilities: [
      {
        capability: "gpu_count",
        series: '{__name__=~"DCGM_FI_DEV_.+",gpu!=""}',
        by: "gpu",
        agg: "count",
      },
      {
        capability: "gpu_memory_bytes",
        series: '{__name__=~"DCGM_FI_DEV_FB_(USED|FREE|RESERVED)"}',
        by: "gpu",
        agg: "max",
        scale: 1_048_576,
      },
    ],
    gpus: [
      { gpu: "utilization", index: "gpu", series: "DCGM_FI_DEV_GPU_UTIL", agg: "max" },
      {
        gpu: "memory_utilization",
        index: "gpu",
        series: '{__name__=~"DCGM_FI_DEV_FB_(USED|FREE|RESERVED)"}',
        minus: "DCGM_FI_DEV_FB_FREE",
        of: '{__name__=~"DCGM_FI_DEV_FB_(USED|FREE|RESERVED)"}',
        scale: 100,
      },
      { gpu: "temperature_celsius", index: "gpu", series: "DCGM_FI_DEV_GPU_TEMP", agg: "max" },
    ],
    metrics: [
      { metric: "gpu_memory_bytes", series: "DCGM_FI_DEV_FB_USED", scale: 1_048_576 },
      { metric: "gpu_power_watts", series: "DCGM_FI_DEV_POWER_USAGE" },
      { metric: "gpu_xid_error", series: "DCGM_FI_DEV_XID_ERRORS", agg: "max" },
    ],
    // What DCGM gives for unknown, not found, not supported and not permitted, as integer and as floating point. As
    // doubles the first four are one and the same: 9223372036854775794 among them.
    missing: [
      2 ** 63,
      140_737_488_355_328,
      140_737_488_355_329,
      140_737_488_355_330,
      140_737_488_355_331,
      2_147_483_632,
      2_147_483_633,
      2_147_483_634,
      2_147_483_635,
    ],
  },
};

export type PresetName = keyof typeof PRESETS;
export const PRESET_NAMES = Object.keys(PRESETS) as [PresetName, ...PresetName[]];
