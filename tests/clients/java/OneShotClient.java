import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** Sends a request, and reads the answer 100 bytes at a time until the server closes. */
public class OneShotClient {
    /** Arguments: host, port, request. */
    public static void main(String[] arguments) throws IOException {
        try (Socket socket = new Socket(arguments[0], Integer.parseInt(arguments[1]))) {
            socket.getOutputStream().write(arguments[2].getBytes(StandardCharsets.UTF_8));
            InputStream in = socket.getInputStream();
            ByteArrayOutputStream answer = new ByteArrayOutputStream();
            byte[] buffer = new byte[100];
            int reads = 0;
            for (int count; (count = in.read(buffer)) >= 0; reads++) {
                answer.write(buffer, 0, count);
            }
            System.out.println(reads + " reads");
            answer.writeTo(System.out);
            System.out.flush();
        }
    }
}
