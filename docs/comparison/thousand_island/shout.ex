defmodule Shout do
  use ThousandIsland.Handler

  def start(port, marks) do
    ThousandIsland.start_link(
      port: port,
      handler_module: __MODULE__,
      handler_options: String.duplicate("!", marks),
      transport_options: [ip: :loopback, packet: :line, buffer: 65_536]
    )
  end

  @impl ThousandIsland.Handler
  def handle_data(data, socket, marks) do
    line = String.trim_trailing(data, "\n") |> String.trim_trailing("\r")
    ThousandIsland.Socket.send(socket, [String.upcase(line, :ascii), marks, "\n"])
    {:continue, marks}
  end
end
