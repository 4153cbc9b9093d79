using System;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

/// Sends each argument as a text message, prints each answer, and closes with 1000.
public static class WebSocketClient
{
    /// Arguments: URL, texts.
    public static void Main(string[] arguments)
    {
        Talk(arguments).Wait();
    }

    private static async Task Talk(string[] arguments)
    {
        CancellationToken none = CancellationToken.None;
        byte[] buffer = new byte[65536];
        using (var client = new ClientWebSocket())
        using (var screen = Console.OpenStandardOutput())
        {
            await client.ConnectAsync(new Uri(arguments[0]), none);
            for (int each = 1; each < arguments.Length; each++)
            {
                var text = new ArraySegment<byte>(Encoding.UTF8.GetBytes(arguments[each]));
                await client.SendAsync(text, WebSocketMessageType.Text, true, none);
                WebSocketReceiveResult answer = await client.ReceiveAsync(new ArraySegment<byte>(buffer), none);
                screen.Write(buffer, 0, answer.Count);
                screen.WriteByte((byte)'\n');
            }
            await client.CloseAsync(WebSocketCloseStatus.NormalClosure, "bye", none);
        }
    }
}
