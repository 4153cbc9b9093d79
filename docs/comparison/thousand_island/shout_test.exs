ExUnit.start()

defmodule ShoutTest do
  use ExUnit.Case

  test "a line comes back in capitals" do
    {:ok, server} = Shout.start(0, 3)
    {:ok, {_, port}} = ThousandIsland.listener_info(server)
    {:ok, socket} = :gen_tcp.connect(:localhost, port, [:binary, packet: :line, active: false])
    :ok = :gen_tcp.send(socket, "hello\r\n")
    assert :gen_tcp.recv(socket, 0, 1000) == {:ok, "HELLO!!!\n"}
  end
end
