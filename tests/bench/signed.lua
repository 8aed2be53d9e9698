-- Posts the signed bodies of a file, one a line: the signature, a tab, the body. The result is one line of JSON.
local bodies = {}
local n = 0

function init(args)
  for line in io.lines(args[1]) do
    bodies[#bodies + 1] = line
  end
end

function request()
  n = n % #bodies + 1
  local signature, body = bodies[n]:match("^([^\t]*)\t(.*)$")
  return wrk.format("POST", nil, { ["Content-Type"] = "application/json", ["Stripe-Signature"] = signature }, body)
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p99_ms":%.3f,"refused":%d,"broken":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.status, e.connect + e.read + e.write + e.timeout))
end
