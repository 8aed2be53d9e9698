-- Posts a body with another subject each time: head, what is fresh, a number, tail. The result is one line of JSON.
-- The fourth argument: after how many subjects it begins with the first again, 0 for never.
local head, fresh, tail, round
local n = 0

function init(args)
  head, fresh, tail, round = args[1], args[2], args[3], tonumber(args[4])
end

function request()
  n = n + 1
  local subject = round > 0 and (n - 1) % round + 1 or n
  return wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, head .. fresh .. subject .. tail)
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.status, e.connect + e.read + e.write + e.timeout))
end
