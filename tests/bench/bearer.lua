-- Posts a body about one of so many known subjects in turn: head, tail, how many, the bearer. The result is one line of JSON.
local head, tail, round, bearer
local n = 0

function init(args)
  head, tail, round, bearer = args[1], args[2], tonumber(args[3]), args[4]
end

function request()
  n = n % round + 1
  local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. bearer }
  return wrk.format("POST", nil, headers, head .. n .. tail)
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.status, e.connect + e.read + e.write + e.timeout))
end
