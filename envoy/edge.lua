-- What the transcoder cannot do by itself: runs before it on the way in, after it on the way out.

local OF_GRPC = {"grpc-accept-encoding", "grpc-status", "grpc-message", "grpc-status-details-bin"}

local HERE = "envoy.filters.http.lua"

local function of_grpc(headers)
  return (headers:get("content-type") or ""):sub(1, 16) == "application/grpc"
end

-- What a REST client is told when a worker could not say it: cut off at the end of the grace, or full.
local AGAIN = '{"error":{"type":"overloaded_error","code":"overloaded",' ..
  '"message":"The gateway could not finish this request. Please try again.","param":null,"retry_after":1}}'
local LATE = '{"error":{"type":"timeout_error","code":"timeout","message":"The gateway did not answer in time.","param":null}}'
local OURS = '{"error":{"type":"server_error","code":"server_error",' ..
  '"message":"Internal error. The request id in X-Request-Id finds it in the logs.","param":null}}'
local WORDLESS = {  -- by gRPC status
  ["1"] = {"503", AGAIN}, ["8"] = {"503", AGAIN}, ["14"] = {"503", AGAIN}, ["4"] = {"504", LATE},
}

local function say(handle, json)
  handle:headers():replace("content-type", "application/json")
  handle:body(true):setBytes(json)
  local headers = handle:headers()  -- reading a body yields, and what was held before that is void
  headers:replace("content-length", tostring(#json))
  return headers
end

-- HTTP allows `+` and the like in the names of headers, gRPC does not: the worker would drop the whole request.
function drop_unspeakable(headers)
  local names
  for name in pairs(headers) do
    if name:find("[^%w._:-]") then
      names = names or {}
      names[#names + 1] = name
    end
  end
  for _, name in ipairs(names or {}) do
    headers:remove(name)
  end
end

-- Paths are published with and without a trailing slash.
function envoy_on_request(handle)
  local headers = handle:headers()
  local path, query = headers:get(":path"):match("^([^?]*)(.*)$")
  local bare = path:match("^(.*[^/])/+$")
  if bare then
    headers:replace(":path", bare .. query)
  end
  if not of_grpc(headers) then
    handle:streamInfo():dynamicMetadata():set(HERE, "rest", true)
    headers:remove("grpc-timeout")  -- the worker would take it for a gRPC client's, and answer as to one
    drop_unspeakable(headers)
  end
end

-- gRPC has no status for 402, 422 or 424, and no body for an error. Our server says both to REST clients in metadata:
-- `x-http-status`, and `x-error-body` (the JSON, percent-encoded).
function envoy_on_response(handle)
  local headers = handle:headers()
  local status = headers:get("x-http-status")
  if status then
    headers:replace(":status", status)
    headers:remove("x-http-status")
    if status == "304" then  -- what the client has is of another length and type than nothing
      headers:remove("content-type")
      headers:remove("content-length")
    end
  end
  local mine = handle:streamInfo():dynamicMetadata():get(HERE)
  if not (mine and mine.rest) then
    return
  end
  local encoded, code = headers:get("x-error-body"), headers:get("grpc-status")
  if encoded then
    headers:remove("x-error-body")
    headers = say(handle, encoded:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
  elseif code and code ~= "0" then
    local reply = WORDLESS[code] or {"500", OURS}
    headers:replace(":status", reply[1])
    if reply[1] == "503" then
      headers:replace("retry-after", "1")
    end
    headers = say(handle, reply[2])
  end
  for _, name in ipairs(OF_GRPC) do
    headers:remove(name)
  end
end
