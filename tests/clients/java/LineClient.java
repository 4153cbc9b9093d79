import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.net.Socket;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;

/** The client of the textbooks: it sends a line, then waits in readLine() until one comes back. */
public class LineClient {
    /** Arguments: host, port, charset of the wire, how many lines to read first. Lines are taken from standard input. */
    public static void main(String[] arguments) throws IOException {
        Charset charset = Charset.forName(arguments[2]);
        PrintStream screen = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader keyboard = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (Socket socket = new Socket(arguments[0], Integer.parseInt(arguments[1]));
             PrintWriter out = new PrintWriter(new OutputStreamWriter(socket.getOutputStream(), charset), true);
             BufferedReader in = new BufferedReader(new InputStreamReader(socket.getInputStream(), charset))) {
            for (int first = Integer.parseInt(arguments[3]); first > 0; first--) {
                screen.println(in.readLine());
            }
            String line;
            while ((line = keyboard.readLine()) != null) {
                out.println(line);
                screen.println(in.readLine());
            }
        }
    }
}
