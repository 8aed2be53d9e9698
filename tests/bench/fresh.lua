-- Posts a body with a fresh subject each time: head, what is fresh, a number, tail. The result is one line of JSON.
local head, fresh, tail
local n = 0

function init(args)
  head, fresh, tail = args[1], args[2], args[3]
end

function request()
  n = n + 1
  return wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, head .. fresh .. n .. tail)
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.status, e.connect + e.read + e.write + e.timeout))
end
